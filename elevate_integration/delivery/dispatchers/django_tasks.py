"""The dispatcher `django_tasks`: a task of Django's own framework delivers a batch.

`django.tasks` on Django 6.0 and newer, its backport `django_tasks` before. `TASKS` chooses the backend.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.utils import timezone

from elevate_integration.delivery.dispatchers.base import Dispatcher
from elevate_integration.delivery.dispatchers.batch import run_batch
from elevate_integration.delivery.dispatchers.plan import Plan
from elevate_integration.events import event, get_logger
from elevate_integration.models import database

logger = get_logger(__name__)


def _framework() -> Any:
    for name in ("django.tasks", "django_tasks"):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise ImproperlyConfigured(
        "ELEVATE['DISPATCHER'] \"django_tasks\" needs Django 6.0 or the backport: "
        "install django-elevate-integration[tasks]."
    )


_tasks: Any = _framework()
_plan = Plan()
_here = threading.local()


def deliver() -> None:
    """Deliver a batch, and plan the next one if something falls due within a minute."""
    _here.busy = True
    try:
        seconds = run_batch()
    finally:
        _here.busy = False
    if seconds is not None and _defers() and not _plan.covers(seconds):
        _enqueue(seconds)


try:
    deliver = _tasks.task(deliver)
except _tasks.exceptions.TaskException as error:
    raise ImproperlyConfigured(f'TASKS["default"] does not take the task of Elevate: {error}') from error

_task: Any = deliver


def _defers() -> bool:
    return bool(_task.get_backend().supports_defer)


def _enqueue(seconds: float = 0.0) -> None:
    task = _task
    if seconds:
        task = _task.using(run_after=timezone.now() + timedelta(seconds=seconds))
    task.enqueue()


class DjangoTasksDispatcher(Dispatcher):
    """Enqueues a task after the commit: one for all wake-ups of this process within half a second.

    A backend that cannot run a task later gets one task per wake-up, and needs `elevate_worker --once` in cron for what
    falls due later.
    """

    interval = 0.5
    pause = 5.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = self._failed = float("-inf")

    @property
    def waits(self) -> bool:
        """Whether the backend runs the task in the caller."""
        return type(_task.get_backend()).__name__ == "ImmediateBackend"

    def wake(self, order_ref: str = "") -> None:
        """Enqueue a task, unless this thread is running it, one is about to start, or the last try just failed."""
        if getattr(_here, "busy", False):
            return
        using = database()
        if connections[using].in_atomic_block:
            transaction.on_commit(self.wake, using=using, robust=True)
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next or now < self._failed + self.pause:
                return
            wait = max(self._next + self.interval - now, 0.0) if _defers() else 0.0
            self._next = now + wait
        try:
            _enqueue(wait)
        except Exception:
            self._failed = time.monotonic()
            logger.warning(
                "No task could be enqueued; the next run by cron delivers.",
                exc_info=True,
                extra=event("elevate.broker.away"),
            )
