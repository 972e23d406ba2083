"""The example store under the contract of order sources: as short as a host's own test of its source may be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from elevate_integration.testing import OrderSourceContract
from example_project.members.models import Member
from example_project.store import services
from example_project.store.models import Order, OrderLine, Product

_numbers = itertools.count(1)


class TestStore(OrderSourceContract):
    """The factory methods call what the store's views call."""

    source_path = "example_project.store.elevate.StoreOrderSource"

    def make_user(
        self, *, first_name: str = "Ada", last_name: str = "Sample", email: str = "ada@example.org"
    ) -> Member:
        return Member.objects.create_user(
            email=email or "required@example.org", first_name=first_name, last_name=last_name
        )

    def make_product(self) -> Product:
        number = next(_numbers)
        return Product.objects.create(
            sku=f"SKU-{number}", slug=f"course-{number}", title=f"Course {number}", price=120
        )

    def place_order(self, buyer: Member, lines: Sequence[tuple[Product, int]]) -> Order:
        for product, quantity in lines:
            order = services.add_to_cart(buyer, product, quantity)
        return order

    def place_order_for(self, buyer: Member, learner: Member, product: Product) -> Order:
        order = self.place_order(buyer, [(product, 1)])
        person = {"first_name": learner.first_name, "last_name": learner.last_name, "email": learner.email}
        services.name_seat(order.lines.get(), 1, **person)
        return order

    def pay(self, order: Order) -> None:
        services.checkout(order)

    def refund(self, order: Order, line: OrderLine | None = None) -> None:
        services.refund(order, None if line is None else [line])

    def cancel(self, order: Order) -> None:
        services.cancel(order)

    def lines_of(self, order: Order) -> Sequence[OrderLine]:
        return list(order.lines.all())

    def save_again(self, order: Order) -> None:
        order.save()
        for line in order.lines.all():
            line.save()

    def order_ref(self, order: Order) -> str:
        return str(order.pk)
