"""Runs in a thread of this process, so that neither a page nor delivery waits for Elevate's report."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections

from elevate_integration.events import event, get_logger

logger = get_logger(__name__)


class Background:
    """At most one run at a time in this process. `stopping` is what the run waits on."""

    # Seconds that `stop` waits: a report in flight changes nothing, so it may be left behind.
    farewell = 5.0

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def is_busy(self) -> bool:
        """Whether a run is going on here."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], object]) -> bool:
        """Have it done in the thread; False when something else is being done."""
        with self._lock:
            if self.is_busy():
                return False
            self.stopping.clear()
            self._thread = threading.Thread(
                target=self._run, args=(work,), name="elevate-reconcile", daemon=True
            )
            self._thread.start()
        return True

    def join(self) -> None:
        """Wait for the end of what is going on."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Have it end after the call in flight, and wait a little for that."""
        self.stopping.set()
        if self._thread is not None:
            self._thread.join(self.farewell)

    @staticmethod
    def _run(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            logger.exception(
                "The comparison with Elevate's report broke off; the next one goes on.",
                extra=event("elevate.report.broke_off"),
            )
        finally:
            connections.close_all()
