"""The dispatcher `inline`: the caller delivers."""

from __future__ import annotations

import threading

from elevate_integration.delivery.dispatchers.base import Dispatcher
from elevate_integration.delivery.worker import Worker


class InlineDispatcher(Dispatcher):
    """Delivers in the calling thread, right after the commit: for tests and tiny hosts. Checkouts wait for it."""

    def __init__(self) -> None:
        self._here = threading.local()

    @property
    def waits(self) -> bool:
        """Always."""
        return True

    def wake(self, order_ref: str = "") -> None:
        """Deliver now, unless this thread is at it already."""
        if getattr(self._here, "busy", False):
            return
        self._here.busy = True
        try:
            Worker().run_once(sweeping=False)
        finally:
            self._here.busy = False
