"""Which days there are to compare. A day is done once it was read, with the days beside it, after it was over everywhere.

So a run that was interrupted goes on where it stopped: what is done is not asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from elevate_integration.conf import conf
from elevate_integration.models import database
from elevate_integration.reconcile.rows import as_stored
from elevate_integration.reconciled import ReconciledDay

BACK = 30
# When a day is over in the last time zone, and its report has caught up: hours after its end in UTC.
_OVER_AFTER = timedelta(hours=13)


def today() -> date:
    """Give the date where the store is."""
    return timezone.localdate() if timezone.is_aware(timezone.now()) else datetime.now().date()  # noqa: DTZ005


def last_days(count: int = BACK) -> list[date]:
    """Give so many days up to yesterday, but none before the go-live date."""
    yesterday = today() - timedelta(days=1)
    first = yesterday - timedelta(days=count - 1)
    go_live = conf().go_live
    if go_live is not None:
        first = max(first, go_live.date())
    return between(first, yesterday)


def between(first: date, last: date) -> list[date]:
    """Give the days from the first to the last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def not_done(days: Iterable[date], site: str) -> list[date]:
    """Give those of the days that still have to be read."""
    wanted = list(days)
    if not wanted:
        return []
    read = ReconciledDay.objects.using(database()).filter(
        site=site, state=ReconciledDay.State.READ, whole=True, day__gte=min(wanted), day__lte=max(wanted)
    )
    done = {day for day, read_at in read.values_list("day", "read_at") if read_at >= _over(day)}
    return [day for day in wanted if day not in done]


def _over(day: date) -> datetime:
    return as_stored(datetime.combine(day + timedelta(days=1), time.min) + _OVER_AFTER)
