"""The dispatcher `celery`: a Celery task delivers a batch. The broker only wakes; what it forgets is still in the rows.

Beside the wake-ups the host's beat runs the task every minute: see `beat_schedule`. Can be imported before Django is
set up, and so imports nothing of ours at the top that needs models.
"""

from __future__ import annotations

import threading
from typing import Any

from django.core import mail
from django.core.exceptions import ImproperlyConfigured

from elevate_integration.delivery.dispatchers.base import Dispatcher
from elevate_integration.delivery.dispatchers.plan import Plan
from elevate_integration.delivery.dispatchers.publisher import Publisher
from elevate_integration.events import event, get_logger

try:
    from celery import current_app, shared_task
except ModuleNotFoundError as error:
    raise ImproperlyConfigured(
        "ELEVATE['DISPATCHER'] \"celery\" needs Celery: install django-elevate-integration[celery]."
    ) from error

logger = get_logger(__name__)
_plan = Plan()

TASK = "elevate_integration.deliver"
# Seconds after which a wake-up that no worker took is worth nothing any more: the periodic run has been there.
_EXPIRES = 300.0
_PATIENCE = 4.0
# Without these a broker that is there but silent would hold the thread for ever.
_TIMEOUTS = {
    "redis": {"socket_connect_timeout": _PATIENCE, "socket_timeout": _PATIENCE},
    "amqp": {"read_timeout": _PATIENCE, "write_timeout": _PATIENCE},
}


def beat_schedule(*, seconds: float = 60.0) -> dict[str, Any]:
    """Give the entry for the host's `beat_schedule`: the run that needs no wake-up, and sweeps."""
    return {
        "elevate-integration-deliver": {"task": TASK, "schedule": seconds, "options": {"expires": seconds}}
    }


def _deliver() -> None:
    from elevate_integration.delivery.dispatchers.batch import run_batch

    seconds = run_batch()
    # An eager task would run at once, and again, and again.
    if seconds is None or current_app.conf.task_always_eager or _plan.covers(seconds):
        return
    try:
        _publish(current_app, countdown=seconds)
    except Exception:
        _plan.forget()
        logger.warning(
            "The next delivery could not be planned; the periodic task delivers.",
            exc_info=True,
            extra=event("elevate.broker.away"),
        )


deliver: Any = shared_task(name=TASK, ignore_result=True, acks_late=True)(_deliver)


def _publish(app: Any, *, countdown: float = 0.0) -> None:
    """Send one message, over a connection of its own that gives up soon. Raises when the broker is away."""
    timeouts = _TIMEOUTS.get(app.connection_for_write().transport.driver_type, {})
    options = {**timeouts, **app.conf.broker_transport_options}
    with app.connection_for_write(connect_timeout=_PATIENCE, transport_options=options) as connection:
        connection.connect()
        app.tasks[TASK].apply_async(
            countdown=countdown or None, expires=countdown + _EXPIRES, retry=False, connection=connection
        )


class CeleryDispatcher(Dispatcher):
    """Sends a task after the commit, from a thread, so that a checkout never waits for the broker.

    Under Django's test runner it sends nothing, unless Celery is told to run tasks eagerly.
    """

    def __init__(self) -> None:
        self._app: Any = None
        self._publisher = Publisher(self._send)
        self._here = threading.local()

    def start(self) -> None:
        """Note the host's Celery app: Celery knows only the current one of each thread."""
        self._note_app()

    def stop(self) -> None:
        """Send what is still to be sent."""
        self._publisher.stop()

    @property
    def waits(self) -> bool:
        """Whether Celery runs tasks in the caller."""
        return bool(self._note_app().conf.task_always_eager)

    def wake(self, order_ref: str = "") -> None:
        """Have one task sent soon; an eager one runs here, unless this thread is at it already."""
        if not self.waits:
            if not hasattr(mail, "outbox"):
                self._publisher.ask()
            return
        if getattr(self._here, "busy", False):
            return
        self._here.busy = True
        try:
            deliver.apply()
        finally:
            self._here.busy = False

    def _note_app(self) -> Any:
        # Where no app was made yet, Celery gives one that is nobody's: ask again.
        if self._app is None or not self._app.set_as_current:
            self._app = current_app._get_current_object()
        return self._app

    def _send(self) -> None:
        _publish(self._note_app())
