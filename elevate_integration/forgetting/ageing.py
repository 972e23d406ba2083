"""What is forgotten with time: batch after batch, each a transaction of its own, so that a run that breaks off goes on.

Nothing remembers where a run stood: what was forgotten is not found again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet

from elevate_integration.clock import database_now
from elevate_integration.forgetting.rows import (
    CALL_OPEN,
    DUPLICATE,
    Tally,
    empty_differences,
    forget,
    why_not,
)
from elevate_integration.locking import write_first
from elevate_integration.models import Attempt, Registration, SeatAssignment, database
from elevate_integration.querysets import FINISHED
from elevate_integration.reconciled import Discrepancy
from elevate_integration.retrying import retried

BATCH = 500

Progress = Callable[[int], None]


def prune_attempts(
    days: int, *, dry_run: bool = False, batch: int = BATCH, progress: Progress = lambda _: None
) -> Tally:
    """Delete the records of calls that ended more than `days` days ago.

    Those of registrations that are not finished are kept, since a person needs them to decide. progress: gets the
    number so far.
    """
    using = database()
    tally = Tally()
    old = Attempt.objects.using(using).filter(finished_at__lt=_before(days, using))
    kept = old.exclude(registration__in=Registration.objects.using(using).finished())
    tally.left.update({"registration not finished": number} if (number := kept.count()) else {})
    finished = old.filter(registration__in=Registration.objects.using(using).finished())
    if dry_run:
        tally.calls = finished.count()
        return tally
    for pks in _batches(finished, batch):
        tally.calls += _delete(pks)
        progress(tally.calls)
    return tally


def forget_old(
    days: int, *, dry_run: bool = False, batch: int = BATCH, progress: Progress = lambda _: None
) -> Tally:
    """Forget names and addresses of finished registrations with which nothing happened for `days` days.

    The user ID stays: with it members find their courses, and orders of one learner cover each other. With the
    registrations go the names typed for their seats, and what differences with Elevate's report say of people.
    progress: gets the number of registrations so far.
    """
    using = database()
    before = _before(days, using)
    tally = Tally()
    old = Registration.objects.using(using).filter(updated_at__lt=before, forgotten_at=None)
    _count_left(tally, old)
    named = _names_without_need(old, before, using)
    differences = _differences(before, using)
    if dry_run:
        tally.registrations = old.finished().count()
        tally.seats, tally.differences = named.count(), differences.count()
        return tally
    for pks in _batches(old.finished(), batch):
        tally.registrations += _forget(pks, before)
        progress(tally.registrations)
    for pks in _batches(named, batch):
        tally.seats += _unname(pks)
    for pks in _batches(differences, batch):
        tally.differences += empty_differences(pks, using)
    return tally


def _before(days: int, using: str) -> datetime:
    return database_now(using) - timedelta(days=days)


def _batches(rows: QuerySet[Any], size: int) -> Iterator[list[int]]:
    last = 0
    while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:size]):
        yield pks
        last = pks[-1]


def _count_left(tally: Tally, old: QuerySet[Registration]) -> None:
    waiting = old.exclude(status__in=FINISHED).order_by().values_list("status").annotate(n=Count("pk"))
    tally.left.update(dict(waiting))
    others = old.filter(status__in=FINISHED)
    doubled = others.exclude(duplicate_ids=None).count()
    called = others.filter(duplicate_ids=None).exclude(claim_token=None, due_at=None).count()
    tally.left.update({DUPLICATE: doubled, CALL_OPEN: called})
    # Leaves out what is zero.
    tally.left = +tally.left


def _names_without_need(old: Any, before: datetime, using: str) -> QuerySet[SeatAssignment]:
    """Those for whose seats every registration is forgotten, or about to be."""
    of_seat = Registration.objects.filter(order_ref=OuterRef("order_ref"), seat_key=OuterRef("seat_key"))
    needing = of_seat.filter(forgotten_at=None).exclude(pk__in=old.finished().values("pk"))
    return SeatAssignment.objects.using(using).filter(~Exists(needing), entered_at__lt=before)


def _differences(before: datetime, using: str) -> QuerySet[Discrepancy]:
    """Those that nobody has to decide any more, and that say something of a person."""
    rows = Discrepancy.objects.using(using).filter(last_seen_at__lt=before)
    waiting = Discrepancy.objects.waiting().filter(pk=OuterRef("pk"))
    return rows.filter(~Exists(waiting)).exclude(email="", remote_user_id="", note="")


@retried
def _delete(pks: list[int]) -> int:
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        return Attempt.objects.using(using).filter(pk__in=pks).delete()[0]


@retried
def _forget(pks: list[int], before: datetime) -> int:
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        found = Registration.objects.using(using).filter(pk__in=pks).order_by("pk").select_for_update()
        # What has changed since it was found is another day's work.
        rows = [row for row in found if not why_not(row) and row.updated_at < before]
        forget(rows, database_now(using), using, erase=False)
    return len(rows)


@retried
def _unname(pks: list[int]) -> int:
    return SeatAssignment.objects.using(database()).filter(pk__in=pks).delete()[0]
