"""The contract of every order source, met with registrations that Tendenci's own pages make, pay, refund and cancel."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from django.urls import reverse
from tendenci.apps.events.models import RegConfPricing, Registrant, Registration
from tendenci.apps.invoices.models import Invoice

from elevate_integration.testing.contract import OrderSourceContract
from tests.hosts.tendenci.site import Site, person, put_setting

_numbers = count(1)


class TestTendenciKeepsTheContract(OrderSourceContract):
    """A product is a price of the event; a registration may hold seats at several."""

    site = Site()

    def setUp(self) -> None:
        """Open the site to guests, and to refunds by card."""
        super().setUp()
        put_setting("module", "events", "anonymousregistration", "open")
        put_setting("module", "events", "allow_refunds", "Yes")
        put_setting("site", "global", "merchantaccount", "stripe")

    @classmethod
    def _fixture_setup(cls) -> None:
        """Nothing: the database is put back by the fixture `test_database`."""

    def _fixture_teardown(self) -> None:
        """Nothing: a flush would take the settings that Tendenci cannot start without."""

    def make_user(
        self, *, first_name: str = "Ada", last_name: str = "Sample", email: str = "ada@example.org"
    ) -> Any:
        user = person(f"member{next(_numbers)}", first_name, last_name)
        user.email = email
        user.save()
        return user

    def make_product(self) -> RegConfPricing:
        event = self.site.event
        return RegConfPricing.objects.create(
            reg_conf=event.registration_configuration, title=f"Price {next(_numbers)}", price=Decimal("50.00"),
            quantity=1, start_dt=event.create_dt, end_dt=event.end_dt, allow_anonymous=True, allow_user=True,
        )  # fmt: skip

    def place_order(self, buyer: Any, lines: Sequence[tuple[Any, int]]) -> Registration:
        prices = [product for product, quantity in lines for _ in range(quantity)]
        first = (buyer.first_name, buyer.last_name or "-", buyer.email or "typed@example.org")
        others = [("Guest", str(number), f"guest{number}@example.org") for number in range(1, len(prices))]
        return self.site.book(self.site.event, first, *others, by=buyer.username, prices=prices)

    def place_order_for(self, buyer: Any, learner: Any, product: Any) -> Registration:
        seat = (learner.first_name, learner.last_name, learner.email)
        return self.site.book(self.site.event, seat, by=buyer.username, prices=[product])

    def place_guest_order(self, product: Any) -> Registration:
        return self.site.book(self.site.event, ("Gina", "Guest", "gina@example.org"), by="", prices=[product])

    def pay(self, order: Registration) -> None:
        self.site.pay_by_card(Invoice.objects.get(pk=order.invoice_id))

    def refund(self, order: Registration, line: Registrant | None = None) -> None:
        if line is not None:
            address = reverse("event.cancel_registrant", args=[order.event_id, line.pk])
            assert self.site.client("office").post(address).status_code == 302
            return
        invoice = Invoice.objects.get(pk=order.invoice_id)
        with patch("stripe.Refund.create", return_value=SimpleNamespace(id="re_1", status="succeeded")):
            invoice.refund(invoice.total, self.site.office)

    def cancel(self, order: Registration) -> None:
        address = reverse("event.cancel_registration", args=[order.event_id, order.pk])
        assert self.site.client("office").post(address).status_code == 302

    def save_again(self, order: Registration) -> None:
        fresh = Registration.objects.get(pk=order.pk)
        for row in (*fresh.registrant_set.all(), fresh, Invoice.objects.get(pk=order.invoice_id)):
            row.save()

    def lines_of(self, order: Registration) -> list[Registrant]:
        return list(Registrant.objects.filter(registration=order).order_by("pk"))

    def order_ref(self, order: Registration) -> str:
        return f"registration:{order.pk}"
