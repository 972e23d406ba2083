"""The host's signals: each means *look at order X again* and nothing more."""

from __future__ import annotations


def connect() -> None:
    """Connect."""
