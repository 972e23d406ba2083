"""Tells of a new status after the commit: the host by a signal, the log, and whoever measures."""

from __future__ import annotations

import logging

from django.dispatch import Signal

from elevate_integration import observing, signals
from elevate_integration.delivery.outcomes import about
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import Status
from elevate_integration.models import Registration

logger = get_logger(__name__)

_SIGNALS: dict[str, Signal] = {
    Status.REGISTERED: signals.registered,
    Status.REFUSED: signals.refused,
    Status.CANCELLED: signals.cancelled,
}
_EVENTS = {
    str(Status.REGISTERED): (logging.INFO, "elevate.registration.registered"),
    str(Status.CANCELLED): (logging.INFO, "elevate.registration.cancelled"),
    str(Status.REFUSED): (logging.WARNING, "elevate.registration.refused"),
    str(Status.UNCONFIRMED): (logging.WARNING, "elevate.registration.unconfirmed"),
    str(Status.CANCEL_REFUSED): (logging.WARNING, "elevate.registration.cancel_refused"),
}
_OTHER = (logging.DEBUG, "elevate.registration.changed")


def announce(row: Registration, before: str) -> None:
    """Tell of it where the status is another one than before."""
    if row.status == before:
        return
    told = _SIGNALS.get(row.status)
    if told is not None:
        told.send_robust(sender=Registration, registration=row)
    level, name = _EVENTS.get(row.status, _OTHER)
    if logger.isEnabledFor(level):
        extra = event(name, **about(row), status=str(row.status))
        logger.log(
            level, "Registration %s of order %s is %s.", row.pk, row.order_ref, row.status, extra=extra
        )
    if observing.observed():
        observing.tell("status", status=str(row.status), waited=_waited(row))


def _waited(row: Registration) -> float | None:
    """Give the seconds from the paid order's reading to the access, where nobody's help was needed."""
    if row.status != Status.REGISTERED or row.trigger not in ("mark", "sweep") or row.registered_at is None:
        return None
    return (row.registered_at - row.created_at).total_seconds()
