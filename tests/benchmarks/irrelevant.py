"""What saving an order costs that the source calls irrelevant, such as an open cart: no query of ours."""

from __future__ import annotations

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import receivers
from tests.benchmarks import fill
from tests.benchmarks.report import Line, at_most
from tests.plainshop.models import Invoice, Item


def _save_a_cart(lines: int) -> int:
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        cart = Invoice.objects.create(state="cart", issued=timezone.now())
        for number in range(lines):
            Item.objects.create(invoice=cart, course="ETHICS", price="120.00", position=number)
    return len(captured)


def run(*, small: bool) -> list[Line]:
    """Save a cart of ten lines with and without our receivers."""
    fill.empty()
    receivers.disconnect()
    bare = _save_a_cart(10)
    receivers.connect()
    ours = _save_a_cart(10)
    note = f"{bare} without us, {ours} with"
    return [at_most("irrelevant", "queries of ours, a cart of 10 lines", ours - bare, 0, "{:.0f}", note=note)]
