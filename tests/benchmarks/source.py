"""The plain shop as its owner would write it for a million orders, and the one table of the rivals as an order source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.db import connection
from django.db.models.signals import post_delete, post_save

from elevate_integration.orders.source import Learner, OrderSource, Seat, Snapshot, Watch
from tests.plainshop.source import PlainSource


def _order_of_item(instance: Any, **_: Any) -> str:
    return "" if instance.invoice.state == "cart" else str(instance.invoice_id)


class BatchSource(PlainSource):
    """Batches cost two queries, open carts none. Counts the queries that are the source's own, where somebody captures queries."""

    own: ClassVar[int] = 0

    def watches(self) -> Iterable[Watch]:
        for signal in (post_save, post_delete):
            yield Watch(
                signal,
                "plainshop.Invoice",
                lambda instance, **_: "" if instance.state == "cart" else str(instance.pk),
            )
            yield Watch(signal, "plainshop.Item", _order_of_item)

    def snapshot(self, order_ref: str) -> Snapshot | None:
        before = len(connection.queries_log)
        found = self._one(order_ref)
        BatchSource.own += len(connection.queries_log) - before
        return found

    def _one(self, order_ref: str) -> Snapshot | None:
        from tests.plainshop.models import Invoice, Item

        items = list(Item.objects.filter(invoice_id=int(order_ref)).select_related("invoice").order_by("pk"))
        invoice = items[0].invoice if items else Invoice.objects.filter(pk=order_ref).first()
        return self._whole(order_ref, invoice, {int(order_ref): items})

    def placed_at(self, order_ref: str) -> Any:
        before = len(connection.queries_log)
        found = super().placed_at(order_ref)
        BatchSource.own += len(connection.queries_log) - before
        return found

    def snapshots(self, order_refs: Sequence[str]) -> Mapping[str, Snapshot | None]:
        from tests.plainshop.models import Invoice, Item

        invoices = Invoice.objects.in_bulk([int(ref) for ref in order_refs])
        items: dict[int, list[Item]] = defaultdict(list)
        for item in Item.objects.filter(invoice__in=invoices).order_by("pk"):
            items[item.invoice_id].append(item)
        return {ref: self._whole(ref, invoices.get(int(ref)), items) for ref in order_refs}

    def _whole(self, ref: str, invoice: Any, items: Mapping[int, list[Any]]) -> Snapshot | None:
        if invoice is None:
            return None
        paid = invoice.state == "paid"
        seats = tuple(self._seat(item, paid) for item in items[invoice.pk])
        return Snapshot(ref, None, seats, placed_at=invoice.issued)


class SaleSource(OrderSource):
    """A sale is an order of one seat, so that the same row is read here and by a rival's job."""

    def watches(self) -> Iterable[Watch]:
        yield Watch(post_save, "rivals.Sale", lambda instance, **_: str(instance.pk))

    def snapshot(self, order_ref: str) -> Snapshot | None:
        from tests.benchmarks.rivals.models import Sale

        sale = Sale.objects.get(pk=order_ref)
        learner = Learner(sale.person_id, sale.first_name, sale.last_name, sale.email)
        seat = Seat(
            "1", ("course:ETHICS",), learner, active=True, amount_paid=Decimal(120), title=sale.course
        )
        return Snapshot(order_ref, None, (seat,), placed_at=sale.sold_at)

    def recent(self, since: datetime | None) -> Iterator[str]:
        return iter(())

    def placed_at(self, order_ref: str) -> datetime | None:
        return None
