"""The plain shop as an order source, with a switch that makes it raise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from django.db.models.signals import post_delete, post_save

from elevate_integration.orders.source import Learner, OrderSource, Product, Seat, Snapshot, Watch


class PlainSource(OrderSource):
    """Invoices are orders, items are seats."""

    broken: ClassVar[Exception | None] = None
    amounts: ClassVar[dict[int, Any]] = {}
    snapshots_taken: ClassVar[int] = 0

    def watches(self) -> Iterable[Watch]:
        for signal in (post_save, post_delete):
            yield Watch(
                signal,
                "plainshop.Invoice",
                lambda instance, **_: "" if instance.state == "cart" else str(instance.pk),
            )
            yield Watch(signal, "plainshop.Item", lambda instance, **_: str(instance.invoice_id))

    def snapshot(self, order_ref: str) -> Snapshot | None:
        from tests.plainshop.models import Invoice

        type(self).snapshots_taken += 1
        if self.broken is not None:
            raise self.broken
        invoice = Invoice.objects.filter(pk=order_ref).first()
        if invoice is None:
            return None
        paid = invoice.state == "paid"
        return Snapshot(
            order_ref, None, tuple(self._seat(item, paid) for item in invoice.items.order_by("pk"))
        )

    def _seat(self, item: Any, paid: bool) -> Seat:
        named = item.person_id or item.first_name or item.last_name or item.email
        learner = Learner(item.person_id, item.first_name, item.last_name, item.email) if named else None
        return Seat(
            key=f"item:{item.pk}",
            product_keys=(f"course:{item.course}",),
            learner=learner,
            active=paid and not item.refunded,
            amount_paid=self.amounts.get(item.pk, item.price),
            title=item.course,
        )

    def recent(self, since: datetime | None) -> Iterator[str]:
        from tests.plainshop.models import Invoice

        rows = Invoice.objects.order_by("pk")
        if since is not None:
            rows = rows.filter(touched__gte=since)
        for pk in rows.values_list("pk", flat=True).iterator(chunk_size=500):
            yield str(pk)

    def placed_at(self, order_ref: str) -> datetime | None:
        from tests.plainshop.models import Invoice

        return Invoice.objects.filter(pk=order_ref).values_list("issued", flat=True).first()

    def products(self, search: str = "", limit: int = 50) -> Iterable[Product]:
        return [Product("course:ETHICS", "Ethics 101"), Product("course:LAW", "Law")][:limit]
