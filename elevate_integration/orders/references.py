"""Orders that are known by their primary keys, as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError

_LARGEST_KEY = 2**63 - 1


def keys_of_refs(model: Any, refs: Iterable[str]) -> list[Any]:
    """Read references as primary keys of a model, leaving out what is none.

    "007" is not the order 7: one order must not be known by two names. Nor is a number larger than any database's.
    """
    found = []
    for ref in refs:
        try:
            key = model._meta.pk.to_python(ref)
        except ValidationError:
            continue
        if str(key) == ref and not (isinstance(key, int) and abs(key) > _LARGEST_KEY):
            found.append(key)
    return found
