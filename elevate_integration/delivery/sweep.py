"""The sweep: looks at orders that no signal told about. It syncs, and leaves the sending to the queue.

Each sweep reads the orders changed since the last one, and some of those with held or live registrations in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from elevate_integration.clock import DatabaseNow, database_now
from elevate_integration.conf import conf, order_source
from elevate_integration.delivery import gate
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import Status
from elevate_integration.models import DeliveryState, Registration, database
from elevate_integration.sync import SyncResult, preview, sync_order

logger = get_logger(__name__)

_BATCH = 200
_ROTATED = (
    Status.PENDING, Status.HELD, Status.REFUSED, Status.UNCONFIRMED, Status.REGISTERED, Status.CANCELLING,
    Status.COVERED,
)  # fmt: skip


@dataclass
class Swept:
    """What one sweep did. withheld: registrations not made because of the cap."""

    orders: int = 0
    created: int = 0
    cancelled: int = 0
    withheld: int = 0
    errors: int = 0

    def add(self, result: SyncResult) -> None:
        """Count one order."""
        self.orders += 1
        self.created += result.created
        self.cancelled += result.cancelled
        self.withheld += result.withheld
        self.errors += bool(result.error)


def batches(refs: Iterable[str], size: int = _BATCH) -> Iterator[list[str]]:
    """Cut a stream into lists."""
    stream = iter(refs)
    while batch := list(islice(stream, size)):
        yield batch


def previewed(refs: list[str]) -> Iterator[SyncResult]:
    """Work out a batch; one order that cannot be read spoils only itself."""
    try:
        yield from preview(refs)
    except Exception:
        if len(refs) == 1:
            logger.exception(
                "Order %s could not be read.",
                refs[0],
                extra=event("elevate.order.not_read", order_ref=refs[0]),
            )
            yield SyncResult(refs[0], error="the order could not be read")
            return
        for ref in refs:
            yield from previewed([ref])


def sweep_if_due() -> Swept | None:
    """Sweep when its time has come and no other worker is at it; None otherwise."""
    using = database()
    rows = DeliveryState.objects.using(using)
    rows.get_or_create(pk=1)
    due = Q(sweep_due_at=None) | Q(sweep_due_at__lte=DatabaseNow())
    if not rows.filter(due, pk=1).update(sweep_due_at=DatabaseNow(conf().sweep_interval)):
        return None
    return sweep()


def sweep() -> Swept:
    """Read again what may have changed unseen. Raises only what the database raises while it is away."""
    using = database()
    state = DeliveryState.objects.using(using).get_or_create(pk=1)[0]
    started = database_now(using)
    since = conf().go_live
    if state.sweep_since is not None:
        since = state.sweep_since - timedelta(seconds=conf().sweep_overlap)
    done = Swept()
    listed = since is None or _sweep_recent(since, done)
    position = _rotate(state.sweep_position, done)
    DeliveryState.objects.using(using).filter(pk=1).update(
        sweep_since=started if listed else state.sweep_since, sweep_position=position
    )
    if done.withheld:
        _alarm(done, using)
    return done


def _sweep_recent(since: datetime, done: Swept) -> bool:
    """Sweep what changed since then. False when the host could not list it: the next sweep starts there again."""
    try:
        _sweep(order_source().recent(since), done)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception(
            "The order source could not list the orders changed since %s.",
            since,
            extra=event("elevate.source.failed", method="recent"),
        )
        done.errors += 1
        return False
    return True


def _sweep(refs: Iterable[str], done: Swept) -> None:
    for batch in batches(refs):
        for seen in previewed(batch):
            # An order that could not be read is asked again by itself: sync records why, or waits out the database.
            if not seen.writes and not seen.error:
                done.add(seen)
                continue
            room = max(conf().new_per_sweep - done.created, 0)
            done.add(sync_order(seen.order_ref, trigger="sweep", room=room))


def _rotate(position: int, done: Swept) -> int:
    rows = Registration.objects.using(database()).filter(pk__gt=position, status__in=_ROTATED).order_by("pk")
    found = list(rows.values_list("pk", "order_ref")[: conf().sweep_batch])
    _sweep(dict.fromkeys(ref for _, ref in found), done)
    return found[-1][0] if len(found) == conf().sweep_batch else 0


def _alarm(done: Swept, using: str) -> None:
    with transaction.atomic(using=using):
        text = (
            f"A sweep found more than {conf().new_per_sweep} registrations to make and left the rest. "
            "If they are right, run `elevate_resync --all --max-new N`."
        )
        gate.alarm(gate.locked(using), text, database_now(using), using)
