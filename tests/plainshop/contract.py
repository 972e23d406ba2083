"""The plain shop under the contract of order sources. No test module: `tests/testing/` runs it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from elevate_integration.testing import OrderSourceContract
from tests.plainshop.models import Invoice, Item

_numbers = itertools.count(1)


class PlainShopContract(OrderSourceContract):
    """People are dicts, since the plain shop knows no accounts. `__test__` is set where it is run."""

    __test__ = False
    source_path = "tests.plainshop.source.PlainSource"

    def make_user(
        self, *, first_name: str = "Ada", last_name: str = "Sample", email: str = "ada@example.org"
    ) -> dict[str, str]:
        return {
            "person_id": f"M-{next(_numbers)}",
            "first_name": first_name,
            "last_name": last_name,
            "email": email,
        }

    def make_product(self) -> str:
        return f"COURSE{next(_numbers)}"

    def place_order(self, buyer: dict[str, str], lines: Sequence[tuple[str, int]]) -> Invoice:
        invoice = self.place_bare_order(buyer)
        self.add_lines(invoice, lines)
        return invoice

    def place_bare_order(self, buyer: dict[str, str]) -> Invoice:
        invoice = Invoice.objects.create(state="open", issued=timezone.now())
        invoice.buyer = buyer
        return invoice

    def add_lines(self, order: Any, lines: Sequence[tuple[str, int]]) -> None:
        for course, quantity in lines:
            for _ in range(quantity):
                Item.objects.create(invoice=order, course=course, price="120.00", **order.buyer)

    def place_order_for(self, buyer: Any, learner: dict[str, str], product: str) -> Invoice:
        invoice = Invoice.objects.create(state="open", issued=timezone.now())
        invoice.buyer = buyer
        Item.objects.create(invoice=invoice, course=product, price="120.00", **learner)
        return invoice

    def place_guest_order(self, product: str) -> Invoice:
        guest = {"first_name": "Gus", "last_name": "Guest", "email": "gus@example.net"}
        return self.place_order(guest, [(product, 1)])

    def pay(self, order: Invoice) -> None:
        self._put(order, "paid")

    def cancel(self, order: Invoice) -> None:
        self._put(order, "cancelled")

    def refund(self, order: Invoice, line: Item | None = None) -> None:
        if line is None:
            self._put(order, "refunded")
            return
        line.refunded = True
        line.save()
        order.save()

    def lines_of(self, order: Invoice) -> Sequence[Item]:
        return list(order.items.order_by("pk"))

    def save_again(self, order: Invoice) -> None:
        order.save()
        for item in order.items.all():
            item.save()

    def order_ref(self, order: Invoice) -> str:
        return str(order.pk)

    def change_email(self, user: dict[str, str], email: str) -> None:
        for item in Item.objects.filter(person_id=user["person_id"]):
            item.email = email
            item.save()

    def _put(self, order: Invoice, state: str) -> None:
        order.state = state
        order.save()
