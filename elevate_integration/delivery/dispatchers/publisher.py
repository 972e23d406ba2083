"""A thread that tells a broker that there is work, so that no checkout ever waits for a broker."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable

from elevate_integration.events import event, get_logger

logger = get_logger(__name__)


class Publisher:
    """Calls `publish` from a thread of its own: soon after `ask`, and once for all that ask within `interval`.

    When `publish` raises, it is called again every `pause` seconds until it succeeds; the log says so once.
    """

    interval = 0.5
    pause = 5.0
    farewell = 2.0

    def __init__(self, publish: Callable[[], None]) -> None:
        self._publish = publish
        # By process: a lock that another thread held at a fork would stay locked for ever in the child.
        self._locks: dict[int, threading.Lock] = {}
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._begin_anew()

    def ask(self) -> None:
        """Have it published. Returns at once and raises nothing that a broker could cause."""
        # One step: of all threads that ask first at once, each gets the same lock.
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if self._pid != os.getpid():
                # After a fork the thread is gone.
                self._begin_anew()
                self._pid = os.getpid()
                atexit.register(self.stop)
            self._asked = True
            self._kick.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="elevate-publisher", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Publish what was asked for, if that is possible within two seconds, and end the thread."""
        if self._thread is None or self._pid != os.getpid():
            return
        atexit.unregister(self.stop)
        self._stopping.set()
        self._kick.set()
        self._thread.join(self.farewell)
        self._pid = 0

    def _begin_anew(self) -> None:
        self._asked = False
        self._kick, self._stopping = threading.Event(), threading.Event()
        self._thread = None

    def _run(self) -> None:
        kick, stopping, failed = self._kick, self._stopping, False
        while not stopping.is_set() or self._asked:
            kick.wait()
            kick.clear()
            if not self._asked:
                continue
            self._asked = False
            try:
                self._publish()
            except Exception:
                if not failed:
                    logger.warning(
                        "The broker cannot be told of new work, trying again.",
                        exc_info=True,
                        extra=event("elevate.broker.away"),
                    )
                failed = True
                if stopping.is_set():
                    return
                self._asked = True
                kick.set()
                stopping.wait(self.pause)
            else:
                if failed:
                    logger.info("The broker is back.", extra=event("elevate.broker.back"))
                failed = False
                stopping.wait(self.interval)
