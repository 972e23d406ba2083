"""The wake hook: marks and staff acts call it after a commit, dispatchers fill it. Knows neither of them."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

_wake: Callable[[], None] | None = None


def set_wake(wake: Callable[[], None] | None) -> None:
    """Name the function that wakes delivery. It must return at once and not raise."""
    global _wake
    _wake = wake


def wake() -> None:
    """Tell delivery that there may be work. Does nothing where no dispatcher is set, and never raises.

    Django cannot log a callback that raises and has no name, as a partial has none: its own error reaches the host.
    """
    if _wake is None:
        return
    try:
        _wake()
    except Exception:
        logger.exception("Delivery could not be woken; the worker looks by itself before long.")
