"""Fields that take JSON's own types and nothing like them: `"yes"` is no boolean, and `5` is no text."""

from __future__ import annotations

from typing import Any

from drf_spectacular.drainage import set_override
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

# More than blanks, which are cut off, where something is asked for; and no NUL, which databases refuse.
_SOME = (
    r"^[^\u0000]*[^\u0000\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
    r"[^\u0000]*$"
)


class _TextOnly(serializers.Field):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Text(_TextOnly, serializers.CharField):
    """Text; numbers are refused."""

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)
        if not self.allow_blank:
            set_override(self, "field", {"type": "string", "maxLength": max_length, "pattern": _SOME})


class EMail(_TextOnly, serializers.EmailField):
    """An e-mail address."""


class WebAddress(_TextOnly, serializers.URLField):
    """A web address."""


@extend_schema_field({"type": "boolean"})
class Flag(serializers.BooleanField):
    """True or false; words and numbers are refused."""

    def to_internal_value(self, data: Any) -> Any:
        """Take a boolean."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class MaybeFlag(Flag):
    """True, false or null."""
