"""How things stand: counts, what went through, how long it took, whether delivery runs, and what needs a person.

For the overview page and the digest. Reads only, and asks for bounded numbers of rows: what could grow with the shop is
counted by the database along an index. Grouping, hours and percentiles are plain functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import (
    Aggregate,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    Subquery,
)
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from elevate_integration.lifecycle import Obstacle, Operation, Outcome, Status
from elevate_integration.models import Attempt, DeliveryState, Registration, database
from elevate_integration.words import GATES, Situation, problems, said, situation, situation_name

if TYPE_CHECKING:
    from elevate_integration.words import Text

# The statuses in which rows may wait for a person, the most pressing first. A parked cancel is `cancelling`.
TROUBLED = (
    Status.REFUSED,
    Status.CANCEL_REFUSED,
    Status.UNCONFIRMED,
    Status.CANCELLING,
    Status.HELD,
)
GROUPED_AT_MOST = 500
COUNTED_AT_MOST = 100_000
HOURS = 48
SAMPLE = 1000
SAMPLE_DAYS = 30
# A registration that has been due for longer than this, in seconds, is not merely waiting for its turn.
DUE_TOO_LONG = 3600.0

RUNNING = "running"
PAUSED = "paused"
SILENT = "silent"
_NOT_RUNNING: dict[str, Text] = {PAUSED: _("Delivery is paused."), SILENT: _("Nothing delivers.")}


def silent_after(dispatcher: str) -> float | None:
    """Give the seconds after which a missing sign of life means that nobody delivers; None when none is expected.

    Where cron delivers (every five minutes, says the README), three runs may be missed.
    """
    return {"inline": None, "worker": 120.0, "celery": 300.0}.get(dispatcher, 900.0)


def condition(state: DeliveryState, now: datetime, dispatcher: str) -> str:
    """Tell how delivery is: `paused`, why it waits (`unreachable`, `key`, `busy`), `silent`, or `running`."""
    if state.paused:
        return PAUSED
    if state.gate:
        return state.gate
    return SILENT if is_silent(state, now, dispatcher) else RUNNING


def is_silent(state: DeliveryState, now: datetime, dispatcher: str) -> bool:
    """Tell whether nobody delivers, as far as signs of life tell; also while delivery is paused or waits."""
    limit = silent_after(dispatcher)
    beat = state.heartbeat_at
    return limit is not None and (beat is None or (now - beat).total_seconds() > limit)


def due_too_long(oldest_due: datetime | None, now: datetime) -> bool:
    """Tell whether the longest-waiting row has been due for suspiciously long."""
    return oldest_due is not None and (now - oldest_due).total_seconds() > DUE_TOO_LONG


def not_well(state: DeliveryState, now: datetime, dispatcher: str, oldest_due: datetime | None) -> list[Text]:
    """Say why delivery is not well, for a monitor: one short sentence for each reason; nothing while all is well."""
    found = condition(state, now, dispatcher)
    why: list[Text] = []
    if found != RUNNING:
        why.append(_NOT_RUNNING.get(found) or GATES.get(found, found))
    if due_too_long(oldest_due, now):
        why.append(_("A call has been due for too long."))
    if state.alarm:
        why.append(state.alarm)
    return why


class _CountUpTo(Subquery):
    """Count the rows of a query. With a limit in it, a table of any size costs no more than that."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) elevate_counted)"
    output_field = IntegerField()


def by_status() -> dict[str, int]:
    """Count the registrations in each status, up to `COUNTED_AT_MOST` + 1. One query along the index on the status."""
    rows = Registration.objects.using(database())
    counts = {
        str(status): _CountUpTo(rows.filter(status=status).values("pk")[: COUNTED_AT_MOST + 1])
        for status in Status
    }
    return rows.order_by("pk").annotate(**counts).values(*counts).first() or {}


def number_words(number: int, at_most: int) -> str:
    """Write a number that was counted up to a limit: what lies beyond it is `100000+`."""
    return str(number) if number <= at_most else f"{at_most}+"


@dataclass(frozen=True)
class Hour:
    """One hour and how many registrations went through in it."""

    start: datetime
    number: int


def hour_edges(now: datetime, hours: int) -> list[datetime]:
    """Give the limits of the last `hours` clock hours of the reader's zone, the current one included.

    One more limit than hours, the oldest first. Aware limits are in UTC, so that each is an hour after the last.
    """
    start = now.replace(minute=0, second=0, microsecond=0)
    if timezone.is_aware(start):
        start = start.astimezone(UTC)
    return [start - timedelta(hours=ago) for ago in range(hours - 1, -2, -1)]


def hourly(edges: Sequence[datetime], counted: Mapping[str, int]) -> list[Hour]:
    """Put the numbers to their hours. counted: `h0` for the oldest; what is missing is zero."""
    return [Hour(start, counted.get(f"h{n}") or 0) for n, start in enumerate(edges[:-1])]


def went_through(now: datetime, hours: int = HOURS) -> list[Hour]:
    """Count the registrations that Elevate confirmed, by hour. One query along the index on `registered_at`."""
    edges = hour_edges(now, hours)
    inside = Registration.objects.using(database()).filter(
        registered_at__gte=edges[0], registered_at__lt=edges[-1]
    )
    counts = {
        f"h{n}": Count("pk", filter=Q(registered_at__gte=first, registered_at__lt=end))
        for n, (first, end) in enumerate(pairwise(edges))
    }
    return hourly(edges, inside.aggregate(**counts))


@dataclass(frozen=True)
class Waits:
    """How long the last registrations took from the paid order to access, in seconds.

    median: half were quicker. slow: 95 of 100 were quicker. sample: how many were looked at.
    """

    median: float
    slow: float
    sample: int


def percentile(values: Sequence[float], fraction: float) -> float:
    """Give the value below which a fraction of the sorted values lies, between two of them if need be.

    The same as PostgreSQL's `percentile_cont`. Raises ValueError without values.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    place = (len(values) - 1) * fraction
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


class _Percentile(Aggregate):
    function = "PERCENTILE_CONT"
    template = "%(function)s(%(fraction)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: str, *, fraction: str) -> None:
        super().__init__(expression, fraction=fraction, output_field=DurationField())


def waits(now: datetime) -> Waits | None:
    """Measure the newest registrations of the last weeks that needed nobody's help but the store's; None without any.

    From the moment at which the paid order was read and the row made. What was cancelled and registered anew, taken
    over from a file, or asked for by staff says nothing about waiting, and is left out.
    """
    using = database()
    cancels = Attempt.objects.using(using).filter(
        registration=OuterRef("pk"), operation=Operation.CANCEL, outcome=Outcome.DONE
    )
    newest = (
        Registration.objects.using(using)
        .filter(registered_at__gte=now - timedelta(days=SAMPLE_DAYS), trigger__in=("mark", "sweep"))
        .filter(~Exists(cancels), registered_at__gte=F("created_at"))
        .order_by("-registered_at")
    )
    if connections[using].vendor == "postgresql":
        waited = ExpressionWrapper(F("registered_at") - F("created_at"), output_field=DurationField())
        found = (
            newest.annotate(waited=waited)
            .values("waited")[:SAMPLE]
            .aggregate(
                median=_Percentile("waited", fraction="0.5"),
                slow=_Percentile("waited", fraction="0.95"),
                sample=Count("waited"),
            )
        )
        if not found["sample"]:
            return None
        return Waits(found["median"].total_seconds(), found["slow"].total_seconds(), found["sample"])
    pairs = newest.values_list("created_at", "registered_at")[:SAMPLE]
    return measured((done - made).total_seconds() for made, done in pairs if done is not None)


def measured(seconds: Iterable[float]) -> Waits | None:
    """Give median, 95th percentile and number of some waits; None without any."""
    values = sorted(seconds)
    if not values:
        return None
    return Waits(percentile(values, 0.5), percentile(values, 0.95), len(values))


@dataclass(frozen=True)
class Trouble:
    """Registrations that wait for a person because of the same thing.

    said: what Elevate said, or what is missing, one text a line. product: its title. rows: the newest first.
    """

    situation: Situation
    said: tuple[str, ...]
    product: str
    rows: tuple[Registration, ...]

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.rows)

    @property
    def first(self) -> Registration:
        """One of them, for what all of them share: status, obstacle, mapping."""
        return self.rows[0]


def reasons(row: Registration) -> tuple[str, ...]:
    """Give why a row waits: Elevate's own words, or the details that are missing."""
    if row.status == Status.HELD:
        return tuple(str(text) for text in problems(row.problems))
    if row.obstacle in (Obstacle.REFUSED, Obstacle.CANCEL_REFUSED):
        return tuple(said(row.error_messages))
    return ()


def product_of(row: Registration) -> str:
    """Give the title of a row's product, or its Remote Product ID."""
    return row.product_title or row.mapping.product_title or row.remote_product_id


def group(rows: Iterable[Registration]) -> list[Trouble]:
    """Put together what waits because of the same words about the same product, the largest group first.

    Groups of one size keep the order in which their first rows came.
    """
    found: dict[Any, list[Registration]] = {}
    for row in rows:
        key = (situation_name(row.state), reasons(row), product_of(row), row.mapping_id)
        found.setdefault(key, []).append(row)
    groups = [
        Trouble(situation(members[0].state), key[1], key[2], tuple(members)) for key, members in found.items()
    ]
    return sorted(groups, key=lambda trouble: -trouble.number)


@dataclass(frozen=True)
class Troubles:
    """What needs a person. more: the statuses of which only the newest rows were looked at."""

    groups: list[Trouble]
    more: list[Status]


def troubled_rows(status: Status) -> Any:
    """Give the rows of one status that wait for a person, along the index on the status."""
    rows = Registration.objects.using(database()).filter(status=status)
    if status is Status.CANCELLING:
        return rows.filter(obstacle=Obstacle.PARKED)
    return rows.filter(due_at=None)


def troubles(by_status: Mapping[str, int]) -> Troubles:
    """Group what needs a person. by_status: the counts, so that empty statuses cost no query; else one for each."""
    at_most = GROUPED_AT_MOST
    rows: list[Registration] = []
    more = []
    for status in TROUBLED:
        if not by_status.get(status):
            continue
        found = list(troubled_rows(status).select_related("mapping").order_by("-pk")[: at_most + 1])
        if len(found) > at_most:
            more.append(status)
        rows += found[:at_most]
    return Troubles(group(rows), more)
