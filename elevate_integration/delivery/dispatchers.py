"""Who wakes delivery."""

from __future__ import annotations


def start() -> None:
    """Start."""
