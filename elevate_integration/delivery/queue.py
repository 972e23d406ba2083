"""Claim: what is due, and who may call for it now. Speaks no HTTP, and decides nothing about what should exist.

A claim is a lease: it pushes `due_at` into the future and stamps a token, which whoever settles must show. With
`settling` all SQL that locks what is to be sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import Subquery

from elevate_integration import observing
from elevate_integration.bulk import Changes
from elevate_integration.clock import DatabaseNow
from elevate_integration.conf import conf
from elevate_integration.delivery import gate
from elevate_integration.delivery.announcing import announce
from elevate_integration.delivery.outcomes import Claimed, Result, apply, attempt_of
from elevate_integration.delivery.settling import SETTLED
from elevate_integration.events import get_logger
from elevate_integration.lifecycle import Obstacle, Operation, Outcome
from elevate_integration.locking import write_first
from elevate_integration.models import DeliveryState, OrderMark, Registration, database
from elevate_integration.prepared import Prepared
from elevate_integration.retrying import retried

logger = get_logger(__name__)

_MARKS_PER_ORDER = 20
_NOW: dict[str, Any] = {"db_now": DatabaseNow()}
_CLAIMED = (
    "claim_token", "claimed_for", "due_at", "braked_at", "registration_id", "site", "obstacle", "status", "updated_at",
)  # fmt: skip


_DUE_MARKS = Prepared(
    lambda limit: (
        OrderMark.objects.due().settled_down().order_by("due_at", "pk").values_list("order_ref", "pk")[:limit]
    )
)


def due_orders(limit: int) -> dict[str, list[int]]:
    """Give at most `limit` orders to sync now, the longest-waiting first, each with its due marks that were found.

    An order with very many marks comes again for the rest of them.
    """
    found: dict[str, list[int]] = {}
    for ref, pk in _DUE_MARKS(database(), (limit * _MARKS_PER_ORDER,)):
        if ref in found or len(found) < limit:
            found.setdefault(ref, []).append(pk)
    return found


@dataclass(frozen=True)
class Ahead:
    """Seconds until something falls due, zero or less when it is due now; None for never."""

    marks: float | None
    calls: float | None
    sweep: float | None

    @property
    def next(self) -> float | None:
        """Seconds until a mark or a call falls due."""
        return min((wait for wait in (self.marks, self.calls) if wait is not None), default=None)


_AHEAD = Prepared(
    lambda: (
        DeliveryState.objects.filter(pk=1)
        .annotate(
            mark=Subquery(OrderMark.objects.order_by("due_at").values("due_at")[:1]),
            call=Subquery(
                Registration.objects.filter(due_at__isnull=False).order_by("due_at").values("due_at")[:1]
            ),
            db_now=DatabaseNow(),
        )
        .values_list("mark", "call", "sweep_due_at", "db_now")
    )
)


def ahead() -> Ahead:
    """Look at what is due, with one cheap query: this is all that an idle worker asks."""
    using = database()
    row = next(iter(_AHEAD(using)), None)
    if row is None:
        DeliveryState.objects.using(using).bulk_create([DeliveryState(pk=1)], ignore_conflicts=True)
        return Ahead(0.0, 0.0, 0.0)
    mark, call, sweep, now = row

    def seconds(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - now).total_seconds()

    return Ahead(seconds(mark), seconds(call), seconds(sweep) or 0.0)


def claim(limit: int) -> list[Claimed]:
    """Take at most `limit` due registrations for this worker.

    Ends the leases of workers that died: such a row comes back as *maybe*, since its call may have gone out.
    Gives nothing while delivery is paused, and one row at a time while Elevate is away.
    """
    if limit < 1:
        return []
    with observing.step("claim") as step:
        claimed = _claim(limit)
        step.note(claimed=len(claimed))
    return claimed


@retried
def _claim(limit: int) -> list[Claimed]:
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        taken = _take(limit, using)
        token = uuid.uuid4()
        changes = Changes(taken, _CLAIMED)
        for row in taken:
            _stamp(row, token)
        _brake(taken, using)
        claimed = [row for row in taken if row.claim_token is not None]
        changes.write(using, noting=True)
    return [Claimed(row, Operation(row.claimed_for), token) for row in claimed]


class AtBirth:
    """Claims registrations that a sync makes, before they are written: they go out right after its commit.

    limit: how many may be claimed. `claimed` counts only once the sync has committed.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.claimed: list[Claimed] = []

    def begin(self) -> None:
        """Forget the claims of a transaction that was given up."""
        self.claimed = []

    def take(self, rows: Iterable[Registration], now: datetime) -> None:
        """Claim those of the new rows that are to be sent at once."""
        token = uuid.uuid4()
        for row in rows:
            if len(self.claimed) < self._limit and row.due_at is not None and not row.touched:
                row.db_now = now
                _stamp(row, token)
                self.claimed.append(Claimed(row, Operation(row.claimed_for), token))


def _take(limit: int, using: str) -> list[Registration]:
    """Lock the rows to be claimed: one query while all is well, since it also tells of the gate and of dead leases."""
    locks = _Locks.of_database(using)
    found: list[Registration] = _DUE(using, (locks, limit))
    if not found:
        return []
    shut = not gate.is_open(found[0])
    if not shut and all(row.claim_token is None for row in found):
        return found
    _lapse(using)
    free = locks.on(_due().filter(claim_token=None)).using(using)
    if not shut:
        return list(free[:limit])
    state = gate.locked(using)
    found = list(gate.admits(state, free, using)[:1])
    if found and state.gate:
        gate.probing(state, using)
    return found


def _due() -> Any:
    return Registration.objects.due().order_by("due_at", "pk")


class _Locks(NamedTuple):
    """What a database can do about locks."""

    any: bool
    skip: bool
    of: bool

    @classmethod
    def of_database(cls, using: str) -> _Locks:
        features = connections[using].features
        return cls(
            bool(features.has_select_for_update),
            bool(features.has_select_for_update_skip_locked),
            bool(features.has_select_for_update_of),
        )

    def on(self, rows: Any, *, mapping: bool = True) -> Any:
        """Lock rows, passing over those that others hold, and bring the time and, if asked for, their mappings."""
        rows = rows.select_for_update(skip_locked=self.skip, of=("self",) if self.of else ())
        rows = rows.annotate(**_NOW)
        if not mapping:
            return rows
        # Not by a join where it would lock too: a locked mapping would hide its registrations from SKIP LOCKED.
        return rows.select_related("mapping") if self.of or not self.any else rows.prefetch_related("mapping")


_DUE = Prepared(lambda locks, limit: locks.on(_due()).annotate(**gate.glance())[:limit])


def _stamp(row: Registration, token: uuid.UUID) -> None:
    now = row.db_now
    operation = row.state.next_operation
    row.updated_at = now
    if operation is None:
        row.due_at = None
        return
    row.claim_token, row.claimed_for = token, operation
    row.due_at = now + timedelta(seconds=conf().lease)
    if operation is Operation.REGISTER:
        row.registration_id, row.site = "", conf().url


def _lapse(using: str) -> None:
    """End leases that ran out, with an attempt that says so."""
    lapsed = Registration.objects.using(using).due().filter(claim_token__isnull=False).order_by("pk")
    for row in _Locks.of_database(using).on(lapsed, mapping=False)[:50]:
        result = Result(
            Claimed(row, Operation(row.claimed_for), row.claim_token),
            Outcome.UNKNOWN,
            note="No answer was recorded: the worker stopped, or the call outlived its lease.",
        )
        before = row.status
        apply(row, result, row.db_now)
        row.save(using=using, update_fields=list(SETTLED))
        attempt_of(row, result).save(using=using)
        transaction.on_commit(partial(announce, row, before), using=using, robust=True)


def _brake(rows: Iterable[Registration], using: str) -> None:
    """Park the cancels beyond the hourly limit, whoever asked for them."""
    cancels = [
        row
        for row in rows
        if row.claimed_for == Operation.CANCEL and row.claim_token and not _passed_brake(row)
    ]
    counted = [row for row in cancels if not row.brake_released]
    if not cancels:
        return
    now = cancels[0].db_now
    state = gate.locked(using)
    hour = Registration.objects.using(using).filter(braked_at__gt=now - timedelta(hours=1))
    room = max(conf().cancels_per_hour - hour.count(), 0)
    for row in cancels:
        if row.brake_released or room > 0:
            row.braked_at = now
            room -= row in counted
            continue
        row.claim_token, row.claimed_for, row.due_at = None, "", None
        row.obstacle = Obstacle.PARKED
        row.status = row.state.status
        gate.alarm(
            state,
            f"More than {conf().cancels_per_hour} cancels in one hour: the rest is parked until somebody lets it go.",
            now,
            using,
        )


def _passed_brake(row: Registration) -> bool:
    """Whether this cancel was counted already; an earlier one of the same registration does not count for it."""
    return row.braked_at is not None and (row.unwanted_at is None or row.braked_at >= row.unwanted_at)
