"""The contract of every order source, met with the ways in which an Oscar shop sells, is paid, refunds and cancels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse
from oscar.apps.order.processing import EventHandler
from oscar.core.loading import get_class, get_model

from elevate_integration.testing import OrderSourceContract
from tests.hosts.oscar import shop

_numbers = count(1)
_ATTENDEE = {"first_name": "attendee-first", "last_name": "attendee-last", "email": "attendee-mail"}


def office() -> Client:
    """The shop's staff, logged in."""
    email = f"office{next(_numbers)}@example.org"
    return shop.visitor(shop.member(email=email, is_staff=True, is_superuser=True))


class TestOscarKeepsTheContract(OrderSourceContract):
    """Orders written by Oscar's OrderCreator, debited afterwards, refunded by the card's company or by events of lines."""

    def setUp(self) -> None:
        """Let courses ask for an attendee, and let nothing be recent for its age alone."""
        given = settings.ELEVATE
        options = {**given["OSCAR"], "ATTENDEE": _ATTENDEE, "LOOK_BACK_DAYS": 0}
        self.enterContext(override_settings(ELEVATE={**given, "OSCAR": options}))
        super().setUp()

    def make_user(
        self, *, first_name: str = "Ada", last_name: str = "Sample", email: str = "ada@example.org"
    ) -> Any:
        return shop.member(first_name=first_name, last_name=last_name, email=email)

    def make_product(self) -> Any:
        number = next(_numbers)
        return shop.course(f"COURSE-{number}", f"Course {number}", "33.33")

    def place_order(self, buyer: Any, lines: Sequence[tuple[Any, int]]) -> Any:
        return shop.place_lines(lines, user=buyer)

    def place_bare_order(self, buyer: Any) -> Any:
        return get_model("order", "Order").objects.create(
            number=f"T-{next(_numbers)}", user=buyer, status="Pending", total_incl_tax=0, total_excl_tax=0
        )

    def add_lines(self, order: Any, lines: Sequence[tuple[Any, int]]) -> None:
        basket = shop.filled_basket(lines, order.user)
        for line in basket.all_lines():
            get_class("order.utils", "OrderCreator")().create_line_models(order, line)
        order.total_incl_tax, order.total_excl_tax = basket.total_incl_tax, basket.total_excl_tax
        order.save()

    def place_order_for(self, buyer: Any, learner: Any, product: Any) -> Any:
        answers = self.answers(product, learner)
        options = [
            {"option": option, "value": answers[option.code]} for option in product.product_options.all()
        ]
        basket = shop.filled_basket([(product, 1)], buyer, options)
        return shop.factories.create_order(basket=basket, user=buyer)

    def place_guest_order(self, product: Any) -> Any:
        return shop.place(product, guest_email="gina@example.org")

    def pay(self, order: Any) -> None:
        shop.pay(order)

    def refund(self, order: Any, line: Any = None) -> None:
        if line is not None:
            shop.refund(order, str(line.line_price_incl_tax), (line, line.quantity))
            return
        source = order.sources.get()
        source.refund(source.amount_debited)

    def cancel(self, order: Any) -> None:
        EventHandler().handle_order_status_change(order, "Cancelled")

    def save_again(self, order: Any) -> None:
        fresh = type(order).objects.get(pk=order.pk)
        for row in (fresh, *fresh.lines.all(), *fresh.sources.all(), *fresh.payment_events.all()):
            row.save()

    def lines_of(self, order: Any) -> list[Any]:
        return list(order.lines.order_by("pk"))

    def order_ref(self, order: Any) -> str:
        return str(order.pk)

    def answers(self, product: Any, learner: Any) -> dict[str, str]:
        """Let the product ask for an attendee; gives what the buyer answers, by the options' codes."""
        for code in _ATTENDEE.values():
            option, _ = get_model("catalogue", "Option").objects.get_or_create(
                code=code, defaults={"name": code, "type": "text"}
            )
            product.product_options.add(option)
        return {code: getattr(learner, name) for name, code in _ATTENDEE.items()}


class TestOscarsCheckoutKeepsTheContract(TestOscarKeepsTheContract):
    """Orders that shoppers place in a browser and pay there by card; staff enter refunds in the dashboard."""

    starts_unpaid = False

    def place_order(self, buyer: Any, lines: Sequence[tuple[Any, int]]) -> Any:
        client = shop.visitor(buyer)
        for product, quantity in lines:
            shop.put_into_basket(client, product, quantity)
        return shop.check_out(client)

    def place_order_for(self, buyer: Any, learner: Any, product: Any) -> Any:
        client = shop.visitor(buyer)
        shop.put_into_basket(client, product, **self.answers(product, learner))
        return shop.check_out(client)

    def place_bare_order(self, buyer: Any) -> Any:
        self.not_offered("The checkout writes an order and its lines at once.")

    def place_guest_order(self, product: Any) -> Any:
        return shop.buy(shop.visitor(), product, guest="gina@example.org")

    def pay(self, order: Any) -> None:
        """Nothing: the checkout took the money."""

    def refund(self, order: Any, line: Any = None) -> None:
        kind, _ = get_model("order", "PaymentEventType").objects.get_or_create(name="Refund")
        page = reverse("dashboard:order-detail", kwargs={"number": order.number})
        data = {"payment_event_type": kind.code, "amount": str(order.total_incl_tax)}
        if line is None:
            data["order_action"] = "create_order_payment_event"
        else:
            data |= {"line_action": "create_payment_event", "amount": str(line.line_price_incl_tax)}
            data |= {"selected_line": str(line.pk), f"selected_line_qty_{line.pk}": str(line.quantity)}
        assert office().post(page, data).status_code == 302
        assert order.payment_events.filter(event_type=kind).count() == 1

    def cancel(self, order: Any) -> None:
        shop.set_status(office(), order, "Cancelled")


class TestOscarByInvoiceKeepsTheContract(TestOscarKeepsTheContract):
    """Orders without any payment: staff move them to a status that means paid, and give money back by events."""

    def pay(self, order: Any) -> None:
        shop.set_status(office(), order, "Being processed")

    def refund(self, order: Any, line: Any = None) -> None:
        for one in [line] if line is not None else order.lines.all():
            shop.refund(order, str(one.line_price_incl_tax), (one, one.quantity))

    def cancel(self, order: Any) -> None:
        shop.set_status(office(), order, "Cancelled")
