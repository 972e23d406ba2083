"""Fields that take JSON's own types and nothing like them: `"yes"` is no boolean, and `5` is no text."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

# No NUL, which databases refuse, and no half of a surrogate pair, which is no text.
TEXT_PATTERN = r"^[^\x00]*$"


class _TextOnly:
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")  # type: ignore[attr-defined]
        return super().to_internal_value(data)  # type: ignore[misc]


class Text(_TextOnly, serializers.CharField):
    """Text; numbers are refused."""


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


@extend_schema_field({"type": ["boolean", "null"]})
class MaybeFlag(Flag):
    """True, false or null."""
