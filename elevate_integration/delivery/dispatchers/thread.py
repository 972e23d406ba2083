"""The dispatcher `thread`: a background thread of the web process delivers."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

from django.core import mail
from django.core.signals import request_started
from django.db import connections

from elevate_integration.conf import conf
from elevate_integration.delivery.dispatchers.base import Dispatcher
from elevate_integration.delivery.worker import Worker
from elevate_integration.events import event, get_logger

logger = get_logger(__name__)


class ThreadDispatcher(Dispatcher):
    """Delivers from one background thread of the web process (the default).

    The thread starts with the first request or wake-up, again after a fork, and again if it ever died. It stays
    away under Django's test runner, whose database vanishes beneath it.
    """

    poll = 30.0

    def __init__(self) -> None:
        # By process: a lock that another thread held at a fork would stay locked for ever in the child.
        self._locks: dict[int, threading.Lock] = {}
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._worker: Worker | None = None

    def start(self) -> None:
        """Listen for requests."""
        request_started.connect(self._on_request, dispatch_uid="elevate_integration.thread")

    def stop(self) -> None:
        """Finish the calls in flight and end the thread."""
        request_started.disconnect(dispatch_uid="elevate_integration.thread")
        self._shut_down()

    def wake(self, order_ref: str = "") -> None:
        """Wake the thread, and start it if it is not there."""
        worker = self._ensure()
        if worker is not None:
            worker.wake(order_ref)

    def _on_request(self, **kwargs: Any) -> None:
        self._ensure()

    def _ensure(self) -> Worker | None:
        alive = self._thread is not None and self._thread.is_alive() and self._pid == os.getpid()
        if alive:
            return self._worker
        if hasattr(mail, "outbox"):
            return None
        # One step: of all threads that come first at once, each gets the same lock.
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if self._thread is None or not self._thread.is_alive() or self._pid != os.getpid():
                self._begin()
        return self._worker

    def _begin(self) -> None:
        if self._pid != os.getpid():
            atexit.register(self._shut_down)
        self._pid = os.getpid()
        self._worker = Worker(poll=self.poll)
        self._thread = threading.Thread(
            target=self._run, args=(self._worker,), name="elevate-delivery", daemon=True
        )
        self._thread.start()

    def _run(self, worker: Worker) -> None:
        try:
            worker.run()
        except Exception:
            logger.exception(
                "Delivery stopped; the next request starts it again.",
                extra=event("elevate.delivery.stopped"),
            )
        finally:
            connections.close_all()

    def _shut_down(self) -> None:
        if self._thread is None or self._worker is None or self._pid != os.getpid():
            return
        self._worker.stop()
        self._thread.join(timeout=conf().call_deadline)
