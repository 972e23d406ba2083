"""The wake hook: marks and staff acts call it after a commit, dispatchers fill it. Knows neither of them."""

from __future__ import annotations

from collections.abc import Callable

from elevate_integration.events import event, get_logger

logger = get_logger(__name__)

_wake: Callable[[str], None] | None = None


def set_wake(wake: Callable[[str], None] | None) -> None:
    """Name the function that wakes delivery, given an order's reference or "". It must return at once and not raise."""
    global _wake
    _wake = wake


def wake(order_ref: str = "") -> None:
    """Tell delivery that there may be work: an order that has a due mark, or "" for whatever there is. Does nothing where no dispatcher is set, and never raises.

    Django cannot log a callback that raises and has no name, as a partial has none: its own error reaches the host.
    """
    if _wake is None:
        return
    try:
        _wake(order_ref)
    except Exception:
        logger.exception(
            "Delivery could not be woken; the worker looks by itself before long.",
            extra=event("elevate.delivery.not_woken"),
        )
