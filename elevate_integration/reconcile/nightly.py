"""The comparison that comes each night by itself, at RECONCILE_AT: begun by whoever delivers, in a thread of its own.

Among many processes the lease lets one do it. A night that was missed is made up for; one that was killed is gone on
with by the next process that looks.
"""

from __future__ import annotations

import time as clock
from datetime import datetime, timedelta

from django.utils import timezone

from elevate_integration.clock import DatabaseNow, database_now
from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger
from elevate_integration.models import database
from elevate_integration.reconcile import lease as leases
from elevate_integration.reconcile.background import Background
from elevate_integration.reconcile.days import last_days, not_done
from elevate_integration.reconcile.results import Run
from elevate_integration.reconcile.run import run_under
from elevate_integration.reconciled import ReportState

logger = get_logger(__name__)

# Seconds between two looks at the clock.
_LOOK = 60.0

_background = Background()


class _Looked:
    """When this process looked last; monotonic seconds."""

    at = float("-inf")


def look() -> None:
    """Begin the nightly comparison if it is due. Cheap, and returns at once: a worker calls it now and then."""
    if not conf().reconcile_at or clock.monotonic() - _Looked.at < _LOOK:
        return
    _Looked.at = clock.monotonic()
    if not _background.is_busy() and is_due():
        _background.start(run_if_due)


def finish() -> None:
    """Wait for the end of a comparison that `look` began here."""
    _background.join()


def stop() -> None:
    """Have a comparison that `look` began end soon. What it has not done is done next time."""
    _background.stop()


def is_due() -> bool:
    """Tell whether the last nightly comparison was before the last time that RECONCILE_AT came round.

    Where there was none yet, the first one is that of the coming night.
    """
    if not conf().reconcile_at:
        return False
    using = database()
    rows = ReportState.objects.using(using)
    state, _ = rows.get_or_create(site=conf().url)
    if state.scheduled_at is None:
        rows.filter(pk=state.pk, scheduled_at=None).update(scheduled_at=DatabaseNow())
        return False
    return bool(state.scheduled_at < _last_time(database_now(using)))


def run_if_due() -> Run | None:
    """Compare the days that are not done, of the last thirty; None when it is not due, or somebody is comparing."""
    site = conf().url
    lease = leases.take(site)
    if lease is None:
        return None
    try:
        if not is_due():
            return None
        run = run_under(lease, not_done(last_days(), site), wait=_background.stopping.wait)
        if not _background.stopping.is_set():
            ReportState.objects.using(database()).filter(site=site).update(scheduled_at=DatabaseNow())
    finally:
        lease.release()
    if run.is_complete:
        logger.info(
            "Elevate's report was compared: %s days.",
            len(run.days),
            extra=event("elevate.report.compared", number=len(run.days)),
        )
    else:
        logger.warning(
            "Elevate's report could not be read for %s days.",
            len(run.unread),
            extra=event("elevate.report.incomplete", number=len(run.unread)),
        )
    return run


def _last_time(now: datetime) -> datetime:
    """Give the moment at which RECONCILE_AT last came round where the store is."""
    local = timezone.localtime(now) if timezone.is_aware(now) else now
    hours, minutes = (int(part) for part in conf().reconcile_at.split(":"))
    last = local.replace(hour=hours, minute=minutes, second=0, microsecond=0)
    return last if last <= local else last - timedelta(days=1)
