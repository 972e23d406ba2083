"""`sync_order(ref)`: reads one order's truth and writes the wish. Never sends, never decides what Elevate has.

Marks, the sweep, staff, the API and the commands all come through here. The order's row in `TrackedOrder` is
locked before the order is read, so the newer truth wins whoever syncs.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import OperationalError, connections, transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from elevate_integration import marks
from elevate_integration.bulk import Changes
from elevate_integration.clock import DatabaseNow, database_now
from elevate_integration.conf import conf, order_source
from elevate_integration.cover import cover
from elevate_integration.delivery.backoff import wait
from elevate_integration.lifecycle import LIVE, AtElevate, Obstacle
from elevate_integration.models import (
    OrderMark,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
    database,
)
from elevate_integration.orders.source import Seat, Snapshot
from elevate_integration.reading import make, needs_second_read, put, read_wish, take_details
from elevate_integration.wishes import SAME_EMAIL, Plan, Reading, clean, derive

logger = logging.getLogger(__name__)

_TRIES = 3
_READ_BY_SYNC = (
    "seat_key", "seat_active", "missing", "unwanted_at", "remote_product_id", "learner_key", "remote_user_id",
    "firstname", "lastname", "email", "email_key", "amount_paid", "product_title", "problems", "other_user_id",
    "wanted", "obstacle", "status", "confirmed", "doubts", "staff_cancelled", "error_messages", "due_at", "trigger",
    "actor", "cancel_details", "brake_released", "failures", "updated_at",
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


@dataclass
class _Work:
    """One order's changes, worked out in memory."""

    order_ref: str
    changes: Changes
    new: list[Registration] = field(default_factory=list)
    changed: list[Registration] = field(default_factory=list)
    sales: list[UnmappedSale] = field(default_factory=list)
    pairs: set[tuple[str, str]] = field(default_factory=set)
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
    order_ref: Any, *, trigger: str = "mark", actor: str = "", room: int | None = None
) -> SyncResult:
    """Make an order's registrations match the order.

    trigger: who asks: `mark`, `sweep`, `staff`, `api`, `command`. actor: the person, if one asks.
    room: how many registrations may be made at most (the sweep's cap); None for no limit.
    A source that raises is recorded on the order's row and reported in the result; nothing is cancelled then.
    Raises only what the database raises while it is away.
    """
    ref = str(order_ref)
    for attempt in range(_TRIES):
        try:
            with transaction.atomic(using=database()):
                return _sync_locked(ref, trigger, actor, room)
        except OperationalError as error:
            if attempt + 1 == _TRIES:
                return _record_failure(ref, error)
        except Exception as error:
            logger.exception("Order %s could not be synced.", ref)
            return _record_failure(ref, error)
    raise AssertionError("unreachable")


def _sync_locked(ref: str, trigger: str, actor: str, room: int | None) -> SyncResult:
    using = database()
    tracked = _lock(ref, using, skip_locked=trigger == "mark")
    if tracked is None:
        return SyncResult(ref, skipped=True)
    seen = list(OrderMark.objects.using(using).filter(order_ref=ref).due().values_list("pk", flat=True))
    if trigger == "mark" and not seen:
        return SyncResult(ref, skipped=True)
    snapshot = order_source().snapshot(ref)
    held = list(Registration.objects.using(using).of_order(ref).select_for_update())
    mappings = _mappings([snapshot], using)
    now: datetime = tracked.db_now  # type: ignore[attr-defined]
    work = _work_out(ref, snapshot, mappings, held, now, trigger=trigger, actor=actor, room=room)
    _write(work, using, now)
    if seen:
        OrderMark.objects.using(using).filter(pk__in=seen).delete()
    result = work.result()
    if result.writes or tracked.last_error or tracked.last_synced_at is None:
        TrackedOrder.objects.using(using).filter(pk=tracked.pk).update(
            last_synced_at=now, last_error="", failures=0, failed_at=None
        )
    return result


def _lock(ref: str, using: str, *, skip_locked: bool) -> TrackedOrder | None:
    rows = TrackedOrder.objects.using(using).filter(order_ref=ref).annotate(db_now=DatabaseNow())
    features = connections[using].features
    if not features.has_select_for_update:
        # SQLite: a write comes first, so that the transaction never has to turn from reader to writer.
        if not rows.update(order_ref=ref):
            TrackedOrder.objects.using(using).bulk_create(
                [TrackedOrder(order_ref=ref)], ignore_conflicts=True
            )
        return rows.get()
    locked = rows.select_for_update(skip_locked=skip_locked and features.has_select_for_update_skip_locked)
    tracked = locked.first()
    if tracked is None and not rows.exists():
        TrackedOrder.objects.using(using).bulk_create([TrackedOrder(order_ref=ref)], ignore_conflicts=True)
        tracked = locked.first()
    return tracked


def lock_order(order_ref: str) -> None:
    """Lock an order's row for the rest of the caller's transaction; no sync of that order runs meanwhile."""
    _lock(order_ref, database(), skip_locked=False)


def _mappings(snapshots: Iterable[Snapshot | None], using: str) -> list[ProductMapping]:
    keys = {key for shot in snapshots if shot is not None for seat in shot.seats for key in seat.product_keys}
    return list(ProductMapping.objects.using(using).sold_as(keys)) if keys else []


def _work_out(
    ref: str,
    snapshot: Snapshot | None,
    mappings: Sequence[ProductMapping],
    held: Sequence[Registration],
    now: datetime,
    *,
    trigger: str,
    actor: str = "",
    room: int | None = None,
) -> _Work:
    using = database()
    work = _Work(ref, Changes(held, _READ_BY_SYNC))
    plan = derive(snapshot, mappings, held)
    if plan.new or plan.unmapped:
        plan = _within_go_live(ref, snapshot, mappings, held, plan, using)
    by_id = {mapping.pk: mapping for mapping in mappings}
    rows = {row.pk: row for row in held}
    pairs_before = {row.pk: row.pair for row in held}
    for reading in plan.readings:
        row = rows[reading.pk]
        mapping = by_id.get(row.mapping_id)
        if mapping is not None and any(_would_double(row, other, mapping) for other in held):
            mapping = None
        _follow(work, row, reading, mapping, now, trigger=trigger, actor=actor)
    new = [make(ref, wanting, now, trigger=trigger, actor=actor) for wanting in plan.new]
    if room is not None and len(new) > room:
        kept = _whole_seats(new, room)
        work.withheld += len(new) - len(kept)
        new = kept
    work.new = new
    _hold_same_email([*new, *(row for row in held if _may_be_held(row))], now, using)
    work.changed = work.changes.changed_rows()
    for row in work.changed:
        row.updated_at = now
    # A row that went to another learner or product may have covered somebody: both pairs are looked at.
    work.pairs = {row.pair for row in (*new, *work.changed)} | {pairs_before[row.pk] for row in work.changed}
    work.sales = [_unmapped_sale(ref, seat) for seat in plan.unmapped]
    return work


def _within_go_live(
    ref: str,
    snapshot: Snapshot | None,
    mappings: Sequence[ProductMapping],
    held: Sequence[Registration],
    plan: Plan,
    using: str,
) -> Plan:
    """Leave out what history must not bring, and seats sold unmapped about which staff have not decided."""
    go_live = conf().go_live
    placed = order_source().placed_at(ref)
    if go_live is None or placed is None or placed < go_live:
        # A seat that is registered already is no history: its new learner follows the one before.
        seated = {row.seat_key for row in held}
        return replace(plan, new=tuple(one for one in plan.new if one.seat_key in seated), unmapped=())
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


def _would_double(row: Registration, other: Registration, mapping: ProductMapping) -> bool:
    """Whether following its mapping would give a row the same seat and product as another one."""
    return (
        other.pk != row.pk
        and other.seat_key == row.seat_key
        and other.remote_product_id == mapping.remote_product_id
        and other.learner_key == row.learner_key
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
    row.other_user_id = reading.other_user_id
    if reading.details is not None and row.at_elevate == AtElevate.ABSENT and row.claim_token is None:
        take_details(row, reading.details)
        row.other_user_id = "" if row.remote_user_id == reading.other_user_id else reading.other_user_id
        if not row.touched and mapping is not None and mapping.sells:
            row.remote_product_id = mapping.remote_product_id
    put(row, read_wish(row, reading, now), now)
    if row.wanted != was_wanted:
        row.trigger, row.actor = trigger, actor
        row.failures = 0
    if was_wanted and not row.wanted and (row.at_elevate in LIVE or row.at_elevate == AtElevate.MAYBE):
        work.cancelled += 1
    if needs_second_read(row) and (row.unwanted_at, row.missing) != was_read:
        work.recheck = True


def _may_be_held(row: Registration) -> bool:
    """Whether nothing of this row has reached Elevate yet, so that its identity still matters."""
    return row.wanted and not row.touched and row.obstacle in (Obstacle.NONE, Obstacle.IDENTITY)


def _hold_same_email(rows: Iterable[Registration], now: datetime, using: str) -> None:
    """Hold a learner whose e-mail address Elevate already knows under another user ID: a person must look."""
    asking = [row for row in rows if row.email_key and row.remote_user_id and not row.identity_checked]
    if not asking:
        return
    known: dict[str, set[str]] = defaultdict(set)
    found = Registration.objects.using(using).filter(
        email_key__in={row.email_key for row in asking}, at_elevate__in=LIVE
    )
    for email_key, user_id in found.values_list("email_key", "remote_user_id"):
        known[email_key].add(user_id)
    for row in asking:
        others = known[row.email_key] - {row.remote_user_id}
        held = bool(others) and row.remote_user_id not in known[row.email_key]
        if held == (row.obstacle == Obstacle.IDENTITY) or row.obstacle == Obstacle.INCOMPLETE:
            continue
        row.obstacle = Obstacle.IDENTITY if held else Obstacle.NONE
        row.problems = SAME_EMAIL if held else ""
        row.due_at = None
        put(row, row.state, now)


def _write(work: _Work, using: str, now: datetime) -> None:
    if work.new:
        Registration.objects.using(using).bulk_create(work.new)
    work.changes.write(using)
    if work.sales:
        UnmappedSale.objects.using(using).bulk_create(work.sales, ignore_conflicts=True)
    if work.recheck:
        marks.insert(work.order_ref, using=using, seconds=conf().cancel_grace)
    cover(work.pairs, now)


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
    """Work out what a sync of these orders would do, and write nothing. One query per table for the whole batch."""
    using = database()
    snapshots: Mapping[str, Snapshot | None] = order_source().snapshots(order_refs)
    held: dict[str, list[Registration]] = defaultdict(list)
    for row in Registration.objects.using(using).filter(order_ref__in=list(order_refs)).order_by("pk"):
        held[row.order_ref].append(row)
    mappings = _mappings(snapshots.values(), using)
    now = database_now(using)
    return [
        _work_out(ref, snapshots.get(ref), mappings, held[ref], now, trigger="preview").result()
        for ref in order_refs
    ]
