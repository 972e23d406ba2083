"""The wake hook: marks and staff acts call it after a commit, dispatchers fill it. Knows neither of them."""

from __future__ import annotations

from collections.abc import Callable

_wake: Callable[[], None] | None = None


def set_wake(wake: Callable[[], None] | None) -> None:
    """Name the function that wakes delivery. It must return at once and not raise."""
    global _wake
    _wake = wake


def wake() -> None:
    """Tell delivery that there may be work. Does nothing where no dispatcher is set."""
    if _wake is not None:
        _wake()
