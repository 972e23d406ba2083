"""Resync: read many orders again because a person or a schedule says so. Streams; memory stays flat.

Counts first, then acts. More new registrations or cancels than the caps need an explicit number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from elevate_integration.clock import database_now
from elevate_integration.conf import conf, order_source
from elevate_integration.delivery.sweep import batches, previewed
from elevate_integration.models import DeliveryState, Registration, UnmappedSale, database
from elevate_integration.sync import SyncResult, sync_order
from elevate_integration.wake import wake

_ERRORS_KEPT = 20


@dataclass
class Totals:
    """What a resync does, or would do. `errors` keeps the first twenty, `failed` counts them all.

    stopped: a cap ended it before the last order.
    """

    orders: int = 0
    new: int = 0
    cancels: int = 0
    changed: int = 0
    unmapped: int = 0
    failed: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    stopped: bool = False

    def add(self, result: SyncResult) -> None:
        """Count one order."""
        self.orders += 1
        self.new += result.created
        self.cancels += result.cancelled
        self.changed += result.changed
        self.unmapped += result.unmapped
        if result.error:
            self.failed += 1
            if len(self.errors) < _ERRORS_KEPT:
                self.errors.append((result.order_ref, result.error))


def orders_of_product(product: str) -> Iterator[str]:
    """Give the orders in which a product was seen, by its key in the store or its Remote Product ID."""
    using = database()
    rows = Registration.objects.using(using)
    for found in (rows.filter(remote_product_id=product), rows.filter(mapping__product_key=product)):
        yield from found.order_by("pk").values_list("order_ref", flat=True).iterator(chunk_size=1000)
    sales = UnmappedSale.objects.using(using).of_product(product)
    yield from sales.values_list("order_ref", flat=True).iterator(chunk_size=1000)


def orders_since(since: datetime | None) -> Iterator[str]:
    """Give the orders changed since then, or all of them (None), as the order source streams them."""
    refs: Iterator[str] = order_source().recent(since)
    return refs


def last_sweep() -> datetime | None:
    """Tell from when on a resync "since the last one" has to look: the overlap is taken off.

    The last one is a sweep or such a resync; before the first, everything since the go-live date counts. None without
    such a date.
    """
    since = DeliveryState.objects.using(database()).filter(pk=1).values_list("sweep_since", flat=True).first()
    return conf().go_live if since is None else since - timedelta(seconds=conf().sweep_overlap)


def now() -> datetime:
    """Give the database's time, for `remember()`."""
    return database_now(database())


def remember(started: datetime) -> None:
    """Note that every order changed before this moment has been read: the next sweep or resync goes on from there."""
    using = database()
    DeliveryState.objects.using(using).get_or_create(pk=1)
    rows = DeliveryState.objects.using(using).filter(pk=1)
    rows.filter(Q(sweep_since=None) | Q(sweep_since__lt=started)).update(sweep_since=started)


def count(refs: Iterator[str], progress: Callable[[int], None] = lambda _: None) -> Totals:
    """Work out what a resync of these orders would do, and write nothing. `progress` gets the orders read so far."""
    totals = Totals()
    for batch in batches(refs):
        for seen in previewed(batch):
            totals.add(seen)
        progress(totals.orders)
    return totals


def run(
    refs: Iterator[str],
    *,
    max_new: int,
    max_cancels: int,
    actor: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> Totals:
    """Sync these orders. Stops before the order that would pass a cap; what was written until then stays."""
    totals = Totals()
    for batch in batches(refs):
        for seen in previewed(batch):
            if not seen.writes and not seen.error:
                totals.add(seen)
                continue
            if totals.new + seen.created > max_new or totals.cancels + seen.cancelled > max_cancels:
                wake()
                totals.stopped = True
                return totals
            totals.add(sync_order(seen.order_ref, trigger="command", actor=actor))
        progress(totals.orders)
    wake()
    return totals
