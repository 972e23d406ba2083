"""`sync_order(ref)`: reads one order's truth and writes the wish. Never sends, never decides what Elevate has.

Marks, the sweep, staff, the API and the commands all come through here. The order's row in `TrackedOrder` is
locked before the order is read, so the newer truth wins whoever syncs.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from django.db import OperationalError, transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from elevate_integration import marks, observing
from elevate_integration.assigned import with_assigned
from elevate_integration.bulk import Changes, insert
from elevate_integration.clock import DatabaseNow, database_now
from elevate_integration.conf import conf, order_source
from elevate_integration.cover import decide, save
from elevate_integration.delivery.backoff import wait
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import LIVE, AtElevate, Obstacle
from elevate_integration.locking import Locked, lock
from elevate_integration.models import (
    OrderMark,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
    database,
)
from elevate_integration.neighbours import asks_for_email, hold_same_email, know_again, neighbours, sold_to
from elevate_integration.orders.source import Seat, Snapshot
from elevate_integration.prepared import Prepared
from elevate_integration.reading import make, needs_second_read, put, read_wish, stays_forgotten, take_details
from elevate_integration.stand_in import stand_in
from elevate_integration.wishes import Plan, Reading, clean, derive

logger = get_logger(__name__)

_TRIES = 3
_READ_BY_SYNC = (
    "seat_key", "seat_active", "missing", "unwanted_at", "remote_product_id", "learner_key", "remote_user_id",
    "firstname", "lastname", "email", "email_key", "amount_paid", "amount_now", "product_title", "problems",
    "other_user_id", "wanted", "obstacle", "status", "confirmed", "doubts", "staff_cancelled", "error_messages",
    "due_at", "trigger", "actor", "cancel_details", "brake_released", "failures", "updated_at", "forgotten_at",
)  # fmt: skip


@dataclass(frozen=True)
class SyncResult:
    """What one sync did, or would do.

    created: registrations made. cancelled: live registrations no longer wanted. changed: rows written besides.
    unmapped: seats listed as unmapped sales. withheld: registrations not made because of a cap or the go-live date.
    skipped: another process was at it, or nothing was due. error: why the order could not be read.
    """

    order_ref: str
    created: int = 0
    cancelled: int = 0
    changed: int = 0
    unmapped: int = 0
    withheld: int = 0
    skipped: bool = False
    error: str = ""

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.created or self.cancelled or self.changed or self.unmapped)


class Claims(Protocol):
    """Whoever wants to send new registrations right after the sync that makes them."""

    def begin(self) -> None:
        """A transaction begins; what an earlier one claimed does not count."""

    def take(self, rows: Sequence[Registration], now: datetime) -> None:
        """Claim some of these rows, which are about to be written."""


@dataclass
class _Work:
    """One order's changes, worked out in memory."""

    order_ref: str
    changes: Changes
    new: list[Registration] = field(default_factory=list)
    changed: list[Registration] = field(default_factory=list)
    sales: list[UnmappedSale] = field(default_factory=list)
    others: list[Registration] = field(default_factory=list)
    known_again: list[Registration] = field(default_factory=list)
    moved_on: list[Registration] = field(default_factory=list)
    cancelled: int = 0
    withheld: int = 0
    recheck: bool = False

    def result(self) -> SyncResult:
        return SyncResult(
            self.order_ref,
            created=len(self.new),
            cancelled=self.cancelled,
            changed=len(self.changed) - self.cancelled,
            unmapped=len(self.sales),
            withheld=self.withheld,
        )


def sync_order(
    order_ref: Any,
    *,
    trigger: str = "mark",
    actor: str = "",
    room: int | None = None,
    seen: Collection[int] | None = None,
    claims: Claims | None = None,
) -> SyncResult:
    """Make an order's registrations match the order.

    trigger: who asks: `mark`, `sweep`, `staff`, `api`, `command`. actor: the person, if one asks.
    room: how many registrations may be made at most (the sweep's cap); None for no limit.
    seen: the order's due marks, where the caller has listed them; None to have them found here.
    claims: may claim the new registrations while they are written, where calls may go out.
    A source that raises is recorded on the order's row and reported in the result; nothing is cancelled then.
    Raises only what the database raises while it is away.
    """
    ref = str(order_ref)
    with observing.step("sync", order_ref=ref, trigger=trigger) as step:
        result = _try(ref, partial(_sync_locked, ref, trigger, actor, room, seen, claims), claims)
        said = _outcome(result)
        step.note(result=said)
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(
            "Order %s was synced: %s.",
            ref,
            said,
            extra=event("elevate.order.synced", order_ref=ref, trigger=trigger, result=said),
        )
    return result


def _outcome(result: SyncResult) -> str:
    if result.error:
        return "failed"
    if result.skipped:
        return "skipped"
    return "written" if result.writes else "unchanged"


def _try(ref: str, sync: Callable[[], SyncResult], claims: Claims | None) -> SyncResult:
    """Sync in a transaction, again where the database gave one up. What fails for good is recorded."""
    failure: Exception
    for _ in range(_TRIES):
        if claims is not None:
            claims.begin()
        try:
            with transaction.atomic(using=database()):
                return sync()
        except OperationalError as error:
            failure = error
        except Exception as error:
            logger.exception(
                "Order %s could not be synced.",
                ref,
                extra=event("elevate.order.not_synced", order_ref=ref),
            )
            failure = error
            break
    if claims is not None:
        claims.begin()
    return _record_failure(ref, failure)


def _sync_locked(
    ref: str,
    trigger: str,
    actor: str,
    room: int | None,
    seen: Collection[int] | None,
    claims: Claims | None,
) -> SyncResult:
    using = database()
    order = lock(ref, using, skip=trigger == "mark", marks=seen)
    if order is None or (trigger == "mark" and not order.marks):
        return SyncResult(ref, skipped=True)
    snapshot = with_assigned({ref: order_source().snapshot(ref)})[ref]
    held: list[Registration] = []
    if order.has_rows:
        held = _HELD(using, ref=ref)
    sold = None if held or snapshot is None else sold_to(snapshot, using)
    mappings, neighbourly = sold or (_mappings([snapshot], using), True)
    work = _work_out(
        ref, snapshot, mappings, held, order, trigger=trigger, actor=actor, room=room, neighbourly=neighbourly
    )
    if claims is not None and order.open:
        claims.take(work.new, order.now)
    _write(work, using, order.now)
    if order.in_trouble:
        TrackedOrder.objects.using(using).filter(order_ref=ref).update(
            first_synced_at=Coalesce("first_synced_at", Value(order.now)),
            last_error="",
            failures=0,
            failed_at=None,
        )
    return work.result()


_HELD = Prepared(lambda ref: Registration.objects.of_order(ref).select_for_update())
_SOLD_AS = Prepared(lambda keys: ProductMapping.objects.sold_as(keys))


def lock_order(order_ref: str) -> None:
    """Lock an order's row for the rest of the caller's transaction; no sync of that order runs meanwhile."""
    lock(order_ref, database())


def _mappings(snapshots: Iterable[Snapshot | None], using: str) -> list[ProductMapping]:
    keys = {key for shot in snapshots if shot is not None for seat in shot.seats for key in seat.product_keys}
    return _SOLD_AS(using, keys=keys) if keys else []


def _work_out(
    ref: str,
    snapshot: Snapshot | None,
    mappings: Sequence[ProductMapping],
    held: Sequence[Registration],
    order: Locked,
    *,
    trigger: str,
    actor: str = "",
    room: int | None = None,
    locking: bool = True,
    neighbourly: bool = True,
) -> _Work:
    """Work out what to write. neighbourly: whether other orders may hold something for this one's learners."""
    using, now = database(), order.now
    work = _Work(ref, Changes(held, _READ_BY_SYNC))
    plan = derive(snapshot, mappings, held)
    if plan.new or plan.unmapped:
        plan = _within_go_live(ref, snapshot, mappings, held, plan, using, has_sales=order.has_sales)
    by_id = {mapping.pk: mapping for mapping in mappings}
    pairs_before = {row.pk: row.pair for row in held}
    work.moved_on = _follow_all(work, plan.readings, held, by_id, now, trigger=trigger, actor=actor)
    new = [make(ref, wanting, now, trigger=trigger, actor=actor) for wanting in plan.new]
    for row in new:
        row.mapping = by_id[row.mapping_id]
    if room is not None and len(new) > room:
        kept = _whole_seats(new, room)
        work.withheld += len(new) - len(kept)
        new = kept
    work.new = new
    asking = [row for row in (*new, *held) if asks_for_email(row)]
    # A row that went to another learner or product may have covered somebody: both pairs are looked at.
    altered = work.changes.changed_rows()
    pairs = {row.pair for row in (*new, *altered, *asking)} | {pairs_before[row.pk] for row in altered}
    pairs = {pair for pair in pairs if pair[0]}
    others = neighbours(asking, pairs, held, using, locking=locking) if neighbourly else []
    known_again = know_again([*held, *new, *others], pairs)
    work.known_again = [row for row in known_again if row.order_ref != ref]
    hold_same_email(asking, [*held, *others], now)
    covered = decide([*held, *new, *others], pairs, now)
    work.others = [row for row in covered if row.order_ref != ref]
    work.recheck |= any(row.order_ref == ref and row.obstacle == Obstacle.NONE for row in covered)
    work.changed = work.changes.changed_rows()
    for row in work.changed:
        row.updated_at = now
    work.sales = [_unmapped_sale(ref, seat) for seat in plan.unmapped]
    return work


def _within_go_live(
    ref: str,
    snapshot: Snapshot | None,
    mappings: Sequence[ProductMapping],
    held: Sequence[Registration],
    plan: Plan,
    using: str,
    *,
    has_sales: bool,
) -> Plan:
    """Leave out what history must not bring, and seats sold unmapped about which staff have not decided."""
    go_live = conf().go_live
    placed = snapshot.placed_at if snapshot is not None else None
    if placed is None:
        placed = order_source().placed_at(ref)
    if go_live is None or placed is None or placed < go_live:
        # A seat that is registered already is no history: its new learner follows the one before.
        seated = {row.seat_key for row in held}
        return replace(plan, new=tuple(one for one in plan.new if one.seat_key in seated), unmapped=())
    if not has_sales:
        return plan
    sales = UnmappedSale.objects.using(using).filter(order_ref=ref).values_list("seat_key", "decision")
    known = dict(sales)
    if known and plan.new:
        released = {seat for seat, decision in known.items() if decision == UnmappedSale.Decision.APPLY}
        plan = derive(snapshot, mappings, held, undecided=set(known), released=released)
    return replace(plan, unmapped=tuple(seat for seat in plan.unmapped if seat.key not in known))


def _whole_seats(new: Sequence[Registration], room: int) -> list[Registration]:
    """Cut to at most `room` rows, a seat whole or not at all: what a seat lacks is not added to it later."""
    kept: list[Registration] = []
    for _, seat in groupby(new, key=lambda row: row.seat_key):
        rows = list(seat)
        if len(kept) + len(rows) <= room:
            kept += rows
    return kept


def _unmapped_sale(ref: str, seat: Seat) -> UnmappedSale:
    return UnmappedSale(
        order_ref=ref,
        seat_key=seat.key,
        product_keys=UnmappedSale.pack(seat.product_keys),
        product_title=clean(seat.title, 300),
    )


def _follow_all(
    work: _Work,
    readings: Iterable[Reading],
    held: Sequence[Registration],
    mappings: Mapping[int, ProductMapping],
    now: datetime,
    *,
    trigger: str,
    actor: str,
) -> list[Registration]:
    """Have every row follow the order and its mapping, and give those that had to move on before others could follow.

    Who takes another row's product waits until that one has moved on; rows that swap keep what they have.
    """
    rows = {row.pk: row for row in held}
    moved_on: list[Registration] = []
    waiting = list(readings)
    while waiting:
        free, later = [], []
        for reading in waiting:
            row, mapping = rows[reading.pk], mappings.get(rows[reading.pk].mapping_id)
            if mapping is not None and any(_would_double(row, other, mapping, reading) for other in held):
                later.append(reading)
            else:
                _follow(work, row, reading, mapping, now, trigger=trigger, actor=actor)
                free.append(row)
        if not free:
            for reading in later:
                _follow(work, rows[reading.pk], reading, None, now, trigger=trigger, actor=actor)
            return moved_on
        if later:
            moved_on += free
        waiting = later
    return moved_on


def _would_double(row: Registration, other: Registration, mapping: ProductMapping, reading: Reading) -> bool:
    """Whether following its mapping would give a row the same seat and product as another one, read already or not."""
    learners = (
        {row.learner_key} if reading.details is None else {row.learner_key, reading.details.learner_key}
    )
    return (
        other.pk != row.pk
        and other.seat_key == row.seat_key
        and other.remote_product_id == mapping.remote_product_id
        and other.learner_key in learners
    )


def _follow(
    work: _Work,
    row: Registration,
    reading: Reading,
    mapping: ProductMapping | None,
    now: datetime,
    *,
    trigger: str,
    actor: str,
) -> None:
    was_wanted, was_read = row.wanted, (row.unwanted_at, row.missing)
    row.seat_key = reading.seat_key
    # Beside what was erased not even another's ID is kept: that there is one can be seen all the same.
    row.other_user_id = stand_in(reading.other_user_id) if row.erased else reading.other_user_id
    if reading.details is not None and row.at_elevate == AtElevate.ABSENT and row.claim_token is None:
        if not stays_forgotten(row, reading):
            take_details(row, reading.details)
            row.other_user_id = "" if row.remote_user_id == reading.other_user_id else reading.other_user_id
            if not row.touched and mapping is not None and mapping.sells:
                row.remote_product_id = mapping.remote_product_id
    elif reading.details is not None:
        amount = reading.details.amount_paid
        row.amount_now = None if amount == row.amount_paid else amount
    put(row, read_wish(row, reading, now), now)
    if row.wanted != was_wanted:
        row.trigger, row.actor = trigger, actor
        row.failures = 0
    if was_wanted and not row.wanted and (row.at_elevate in LIVE or row.at_elevate == AtElevate.MAYBE):
        work.cancelled += 1
    if needs_second_read(row) and (row.unwanted_at, row.missing) != was_read:
        work.recheck = True


def _write(work: _Work, using: str, now: datetime) -> None:
    if work.new:
        insert(work.new, using)
    for row in work.moved_on:
        # Before the rest, in turn: the products are free only then for the rows that take them.
        Registration.objects.using(using).filter(pk=row.pk).update(remote_product_id=row.remote_product_id)
    work.changes.write(using)
    if work.sales:
        UnmappedSale.objects.using(using).bulk_create(work.sales, ignore_conflicts=True)
    if work.recheck:
        marks.insert(work.order_ref, using=using, seconds=conf().cancel_grace)
    for row in work.known_again:
        Registration.objects.using(using).filter(pk=row.pk).update(learner_key=row.learner_key)
    save(work.others, using)


def _record_failure(ref: str, error: Exception) -> SyncResult:
    """Keep the order's marks for later and say on its row what went wrong. Raises when the database is away."""
    using = database()
    text = clean(f"{type(error).__name__}: {error}", 2000)
    with transaction.atomic(using=using):
        TrackedOrder.objects.using(using).bulk_create([TrackedOrder(order_ref=ref)], ignore_conflicts=True)
        row = TrackedOrder.objects.using(using).filter(order_ref=ref)
        since = Coalesce(F("failed_at"), DatabaseNow())
        row.update(last_error=text, failures=F("failures") + 1, failed_at=since)
        failures = row.values_list("failures", flat=True).get()
        later = DatabaseNow(wait(failures, first=conf().retry_first, ceiling=conf().retry_ceiling))
        OrderMark.objects.using(using).filter(order_ref=ref).due().update(due_at=later, quiet=False)
    return SyncResult(ref, error=text)


def preview(order_refs: Sequence[str]) -> list[SyncResult]:
    """Work out what a sync of these orders would do, and write nothing.

    One query per table for the whole batch, and one more for each order that changes or whose identity is open.
    """
    using = database()
    snapshots: Mapping[str, Snapshot | None] = with_assigned(order_source().snapshots(order_refs))
    held: dict[str, list[Registration]] = defaultdict(list)
    for row in Registration.objects.using(using).filter(order_ref__in=list(order_refs)).order_by("pk"):
        held[row.order_ref].append(row)
    mappings = _mappings(snapshots.values(), using)
    order = Locked(database_now(using))
    return [
        _work_out(
            ref, snapshots.get(ref), mappings, held[ref], order, trigger="preview", locking=False
        ).result()
        for ref in order_refs
    ]
