"""Order sources with one mistake each, of the kinds that shops have made. The contract must find every one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.db.models.signals import post_delete, post_save

from elevate_integration.orders.source import Learner, Seat, Snapshot, Watch
from tests.plainshop.models import Invoice, Item
from tests.plainshop.source import PlainSource

_numbers = itertools.count(1)


def _with_seats(found: Snapshot | None, change: Any) -> Snapshot | None:
    return found and replace(found, seats=tuple(change(seat) for seat in found.seats))


class ReadsLinesTooEarly(PlainSource):
    """Takes the seats at the order's first signal, when it has no lines yet."""

    seen: ClassVar[dict[str, list[int]]] = {}

    def watches(self) -> Iterable[Watch]:
        def remember(instance: Invoice, **_: Any) -> str:
            ref = f"{instance.pk}:{instance.issued}"
            self.seen.setdefault(ref, list(instance.items.values_list("pk", flat=True)))
            return str(instance.pk)

        yield Watch(post_save, Invoice, remember)
        yield Watch(post_save, Item, lambda instance, **_: str(instance.invoice_id))

    def snapshot(self, order_ref: str) -> Snapshot | None:
        found = super().snapshot(order_ref)
        invoice = Invoice.objects.filter(pk=order_ref).first()
        if found is None or invoice is None:
            return found
        early = self.seen.get(f"{invoice.pk}:{invoice.issued}", [])
        return replace(found, seats=tuple(s for s in found.seats if s.key in [f"item:{pk}" for pk in early]))


class TakesOpenForPaid(PlainSource):
    """Counts an order that was placed, "tendered", as paid."""

    def snapshot(self, order_ref: str) -> Snapshot | None:
        open_ = Invoice.objects.filter(pk=order_ref, state="open").exists()
        return _with_seats(
            super().snapshot(order_ref), lambda seat: replace(seat, active=True) if open_ else seat
        )


class NumbersSeatsAnew(PlainSource):
    """Makes a new key each time."""

    def _seat(self, item: Item, paid: bool) -> Seat:
        return replace(super()._seat(item, paid), key=f"seat:{next(_numbers)}")


class RegistersThePayer(PlainSource):
    """Gives the payer every seat."""

    def _seat(self, item: Item, paid: bool) -> Seat:
        payer = Learner("M-0", first_name="Pay", last_name="Payer", email="payer@example.org")
        named = Learner(item.person_id, item.first_name, item.last_name, item.email)
        return replace(super()._seat(item, paid), learner=payer if item.email == "eve@example.org" else named)


class SwallowsErrors(PlainSource):
    """Answers an error with an order without seats."""

    def snapshot(self, order_ref: str) -> Snapshot | None:
        try:
            return super().snapshot(order_ref)
        except Exception:  # noqa: BLE001 - the mistake itself
            return Snapshot(order_ref, None, ())


class WritesWhileReading(PlainSource):
    """Notes in the order that it was read."""

    def snapshot(self, order_ref: str) -> Snapshot | None:
        Invoice.objects.filter(pk=order_ref).update(issued=Invoice.objects.get(pk=order_ref).issued)
        return super().snapshot(order_ref)


class MissesTheRefund(PlainSource):
    """Listens to new rows only."""

    def watches(self) -> Iterable[Watch]:
        def of_new(instance: Invoice, **kwargs: Any) -> str:
            return str(instance.pk) if kwargs.get("created") or instance.state == "paid" else ""

        yield Watch(post_save, Invoice, of_new)


class TakesTheEmailForTheId(PlainSource):
    """Sends the e-mail address as the user ID."""

    def _seat(self, item: Item, paid: bool) -> Seat:
        learner = Learner(item.email, item.first_name, item.last_name, item.email)
        return replace(super()._seat(item, paid), learner=learner)


class AsksForTheOrder(PlainSource):
    """Follows the foreign key inside the checkout."""

    def watches(self) -> Iterable[Watch]:
        for signal in (post_save, post_delete):
            yield Watch(signal, Invoice, lambda instance, **_: str(instance.pk))
            yield Watch(signal, Item, lambda instance, **_: str(Item.objects.get(pk=instance.pk).invoice.pk))


class KeepsTheRefunded(PlainSource):
    """Forgets that a line can be refunded by itself."""

    def _seat(self, item: Item, paid: bool) -> Seat:
        return replace(super()._seat(item, paid), active=paid)


class ReadsManyOtherwise(PlainSource):
    """Has a second way to read, which was not kept up."""

    def snapshots(self, order_refs: Sequence[str]) -> dict[str, Snapshot | None]:
        return {ref: Snapshot(ref, None, ()) for ref in order_refs}


BROKEN: dict[type[PlainSource], str] = {
    ReadsLinesTooEarly: "test_lines_written_after_the_order_are_seen",
    TakesOpenForPaid: "test_an_order_that_is_not_paid_has_no_active_seat",
    NumbersSeatsAnew: "test_seats_keep_their_keys",
    RegistersThePayer: "test_the_learner_is_registered_and_not_the_payer",
    SwallowsErrors: "test_a_failing_database_raises_and_is_no_empty_order",
    WritesWhileReading: "test_reading_an_order_writes_nothing",
    MissesTheRefund: "test_a_refund_is_marked",
    TakesTheEmailForTheId: "test_the_remote_user_id_is_the_persons_and_stable",
    AsksForTheOrder: "test_naming_the_order_of_a_change_costs_no_query",
    KeepsTheRefunded: "test_a_refund_of_one_line_leaves_the_others",
    ReadsManyOtherwise: "test_many_orders_are_read_as_one_is",
}
