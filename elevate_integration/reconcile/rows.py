"""Our registrations, as the comparison with a report reads them. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TypeVar

from django.db.models import Q
from django.utils import timezone

from elevate_integration.comparing import LAG
from elevate_integration.elevate.reports import ReportLine
from elevate_integration.lifecycle import AtElevate, Operation, Outcome, Status
from elevate_integration.models import Attempt, ProductMapping, Registration, database
from elevate_integration.pairing import Ours, Stretch
from elevate_integration.reconciled import ReconciledDay
from elevate_integration.stand_in import stand_ins

RECONCILE = "reconcile"

T = TypeVar("T")

_CHUNK = 500
# An answer is settled soon after its call, but for a database that was away meanwhile.
_SETTLED_WITHIN = timedelta(days=1)


def as_utc(moment: datetime) -> datetime:
    """Write a moment of ours in UTC, without a zone."""
    aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
    return aware.astimezone(UTC).replace(tzinfo=None)


def as_stored(moment: datetime) -> datetime:
    """Write a moment in UTC as the host's datetimes are."""
    aware = moment.replace(tzinfo=UTC)
    return aware if timezone.is_aware(timezone.now()) else timezone.make_naive(aware)


def sold_products() -> set[str]:
    """Give the Remote Product IDs that are ours."""
    mapped = ProductMapping.objects.using(database()).exclude(remote_product_id="")
    return set(mapped.values_list("remote_product_id", flat=True).distinct())


def rows_for(site: str, day: date, lines: Iterable[ReportLine]) -> list[Ours]:
    """Give what these lines may stand for, what was registered on that day (UTC), and all that is in doubt."""
    told = _Told(lines)
    rows = _Rows(site)
    for ids in _chunks({line.report_id for line in told.lines} - {""}):
        rows.add(Q(registration_id__in=ids))
    for keys in _chunks(told.learner_keys):
        rows.add(Q(learner_key__in=keys))
    for keys in _chunks(told.email_keys):
        rows.add(Q(email_key__in=keys))
    begin = as_stored(datetime.combine(day, time.min))
    rows.add(Q(registered_at__gte=begin, registered_at__lt=begin + timedelta(days=1) + _SETTLED_WITHIN))
    rows.add(Q(at_elevate=AtElevate.MAYBE, status=Status.UNCONFIRMED))
    return rows.read(told)


class _Told:
    """Who is in the report, with the stand-ins that are kept for learners who were forgotten."""

    def __init__(self, lines: Iterable[ReportLine]) -> None:
        self.lines = list(lines)
        users = {line.remote_user_id for line in self.lines} - {""}
        emails = {_folded(line.email) for line in self.lines} - {""}
        self.user_of = {one: user for user in users for one in stand_ins(user)}
        self.email_of = {one: email for email in emails for one in stand_ins(email)}
        self.learner_keys = users | self.user_of.keys()
        self.email_keys = emails | self.email_of.keys()
        self._emails: dict[str, set[str]] = defaultdict(set)
        for line in self.lines:
            self._emails[line.remote_user_id].add(_folded(line.email))

    def user(self, row: Registration) -> str:
        """Give the user ID of a row, also of one that was erased if the report names him."""
        return row.remote_user_id or self.user_of.get(row.learner_key, "")

    def emails(self, row: Registration) -> set[str]:
        """Give the address of a row. An erased learner has that which the report gives for his user ID."""
        found = {self.email_of.get(row.email_key, row.email_key)}
        if not row.remote_user_id and row.learner_key in self.user_of:
            found |= self._emails[self.user_of[row.learner_key]]
        return found


class _Rows:
    def __init__(self, site: str) -> None:
        # A row without a site was never sent.
        self._of_site = Registration.objects.using(database()).filter(site__in=("", site))
        self._found: dict[int, Registration] = {}

    def add(self, condition: Q) -> None:
        for row in self._of_site.filter(condition).order_by("pk").iterator(chunk_size=_CHUNK):
            self._found.setdefault(row.pk, row)

    def read(self, told: _Told) -> list[Ours]:
        emails = _addresses({row.remote_user_id for row in self._found.values()} - {""})
        attempts = _attempts(self._found)
        return [
            _ours(
                row,
                attempts[row.pk],
                user_id=told.user(row),
                emails=told.emails(row) | (emails[row.remote_user_id] if row.remote_user_id else set()),
            )
            for row in self._found.values()
        ]


def _folded(email: str) -> str:
    return email.strip().casefold()[:254]


def _addresses(users: Collection[str]) -> dict[str, set[str]]:
    """Give every address that we have for these user IDs: Elevate shows the last one on all registrations."""
    found: dict[str, set[str]] = defaultdict(set)
    for some in _chunks(users):
        rows = Registration.objects.using(database()).filter(learner_key__in=some).exclude(email_key="")
        for user, email in rows.values_list("remote_user_id", "email_key").distinct():
            found[user].add(email)
    return found


def _attempts(pks: Iterable[int]) -> dict[int, list[Attempt]]:
    found: dict[int, list[Attempt]] = defaultdict(list)
    for some in _chunks(pks):
        calls = (
            Attempt.objects.using(database()).filter(registration__in=some).defer("body", "messages", "note")
        )
        for attempt in calls.order_by("pk").iterator(chunk_size=_CHUNK):
            found[attempt.registration_id].append(attempt)
    return found


def _ours(row: Registration, attempts: Sequence[Attempt], *, user_id: str, emails: set[str]) -> Ours:
    calls = [attempt for attempt in attempts if attempt.operation == Operation.REGISTER]
    done = _answered(row, calls)
    # An ID that an earlier comparison filled in came with none of the calls whose answers were lost before.
    from_report = done is not None and done.trigger == RECONCILE
    doubted = attempts[: attempts.index(done)] if from_report and done else attempts
    lost = _lost(row, doubted)
    called = _hull(lost) if from_report else None if done is None else _call(row, done)
    sender = next(iter(_unknown(doubted)[::-1]), None) if from_report else done
    sent = {_folded(str(attempt.sent.get("email", ""))) for attempt in calls if attempt.sent}
    known = {attempt.answered_id for attempt in calls} - {"", row.registration_id, *row.duplicates}
    return Ours(
        pk=row.pk,
        remote_product_id=row.remote_product_id,
        user_id=user_id,
        emails=frozenset((emails | sent) - {""}),
        at_elevate=AtElevate(row.at_elevate),
        in_flight=row.claim_token is not None,
        was_there=row.registered_at is not None,
        registration_id=row.registration_id,
        is_answered=done is not None and not from_report,
        other_ids=frozenset(known),
        duplicates=frozenset(row.duplicates),
        called=called,
        lost=lost if row.at_elevate == AtElevate.MAYBE else (),
        amount=_amount(sender),
    )


def _answered(row: Registration, calls: Sequence[Attempt]) -> Attempt | None:
    """Find the attempt that gave a registration the ID that it has; None where it was typed, or was pruned."""
    if not row.registration_id:
        return None
    fits = (attempt for attempt in reversed(calls) if attempt.answered_id == row.registration_id)
    return next(fits, None)


def _unknown(attempts: Iterable[Attempt]) -> list[Attempt]:
    return [a for a in attempts if a.outcome == Outcome.UNKNOWN and a.operation == Operation.REGISTER]


def _lost(row: Registration, attempts: Sequence[Attempt]) -> tuple[Stretch, ...]:
    """Give the calls whose answer was lost since Elevate last answered for certain."""
    last = max((n for n, one in enumerate(attempts, start=1) if one.outcome == Outcome.DONE), default=0)
    return _stretches(row, _unknown(attempts[last:]))


def _stretches(row: Registration, attempts: Sequence[Attempt]) -> tuple[Stretch, ...]:
    """Say when calls went out. A worker that was lost left no time: then it was after the call before."""
    earliest, found = as_utc(row.created_at), []
    for attempt in attempts:
        call = _call(row, attempt)
        found.append(call if attempt.started_at else Stretch(min(earliest, call.until), call.until))
        earliest = call.until
    return tuple(found)


def _call(row: Registration, attempt: Attempt) -> Stretch:
    until = as_utc(attempt.finished_at)
    if attempt.started_at is None:
        return Stretch(until, until)
    since = as_utc(attempt.started_at)
    if attempt.duration is not None:
        until = since + timedelta(seconds=attempt.duration)
    return Stretch(since, max(since, until))


def _hull(stretches: Sequence[Stretch]) -> Stretch | None:
    if not stretches:
        return None
    return Stretch(min(s.since for s in stretches), max(s.until for s in stretches))


def _amount(attempt: Attempt | None) -> Decimal | None:
    try:
        return Decimal(str(attempt.sent["amount_paid"])) if attempt is not None else None
    except (KeyError, TypeError, InvalidOperation):
        return None


def covered_days(site: str, rows: Iterable[Ours], day: date) -> set[date]:
    """Give the days that were read after the calls in doubt of that day, so that those are not on them."""
    doubts = [
        row for row in rows if row.in_doubt and row.lost and max(c.until for c in row.lost).date() == day
    ]
    if not doubts:
        return set()
    asked = {one for row in doubts for call in row.lost for one in call.days()}
    last = max(call.until for row in doubts for call in row.lost)
    read = ReconciledDay.objects.using(database()).filter(
        site=site,
        day__gte=min(asked),
        day__lte=max(asked),
        state=ReconciledDay.State.READ,
        read_at__gte=as_stored(last + LAG),
    )
    return set(read.values_list("day", flat=True))


def _chunks(values: Iterable[T]) -> Iterator[list[T]]:
    stream = iter(values)
    while some := list(islice(stream, _CHUNK)):
        yield some
