"""Event registrations, from the site's own form to the fake Elevate and back."""

from __future__ import annotations

import pytest

from elevate_integration.models import OrderMark, Registration

ADA = ("Ada", "Sample", "ada@example.org")
BEN = ("Ben", "Test", "ben@example.org")


def statuses() -> list[str]:
    return list(Registration.objects.order_by("pk").values_list("status", flat=True))


def test_a_booked_seat_is_registered_once_its_check_has_come(site, deliver, elevate):
    booked = site.book(site.event, ADA)
    deliver()
    assert booked.invoice.is_tendered
    assert not elevate.calls
    site.pay(booked.invoice)
    deliver()
    (held,) = elevate.registrations
    assert (held.remote_user_id, held.remote_product_id, held.email) == (
        str(booked.registrant.user_id),
        "ABCD1234",
        "ada@example.org",
    )
    assert held.amount_paid == "120.00"
    assert not OrderMark.objects.exists()
