"""An order's whole way, over HTTP and through the database, in the plain shop."""

from __future__ import annotations

import pytest

from elevate_integration.models import Attempt, OrderMark, Registration, UnmappedSale

pytestmark = pytest.mark.django_db(transaction=True)


def statuses() -> list[str]:
    return list(Registration.objects.order_by("pk").values_list("status", flat=True))


def test_a_paid_order_becomes_a_registration_at_elevate(sell, deliver, elevate):
    sell("ETHICS", "LAW")
    deliver()
    assert statuses() == ["registered", "registered"]
    assert {(r.remote_user_id, r.remote_product_id, r.amount_paid) for r in elevate.registrations} == {
        ("M-1", "ABCD1234", "120.00"),
        ("M-1", "LAW5678", "120.00"),
    }
    row = Registration.objects.first()
    held = {str(r.registration_id): r.remote_product_id for r in elevate.registrations}
    assert held[row.registration_id] == row.remote_product_id
    assert row.product_url.startswith(elevate.url)
    assert not OrderMark.objects.exists()


def test_saving_the_order_again_makes_no_second_call(sell, deliver, elevate):
    invoice = sell()
    deliver()
    invoice.save()
    deliver()
    assert len(elevate.calls) == 1


def test_a_refund_cancels(sell, deliver, elevate):
    invoice = sell()
    deliver()
    invoice.state = "refunded"
    invoice.save()
    deliver()
    assert statuses() == ["cancelled"]
    assert [r.cancelled for r in elevate.registrations] == [True]


def test_refund_before_delivery_withdraws_without_a_call(sell, deliver, elevate):
    from elevate_integration.sync import sync_order

    invoice = sell()
    sync_order(invoice.pk)
    invoice.state = "refunded"
    invoice.save()
    deliver()
    assert statuses() == ["withdrawn"]
    assert not elevate.calls


def test_refunding_one_of_two_items_cancels_only_that_one(sell, deliver, elevate):
    invoice = sell("ETHICS", "LAW")
    deliver()
    invoice.items.filter(course="LAW").first().delete()
    deliver()
    assert statuses() == ["registered", "cancelled"]
    assert {r.remote_product_id: r.cancelled for r in elevate.registrations} == {
        "ABCD1234": False,
        "LAW5678": True,
    }


def test_buy_refund_and_buy_again_works(sell, deliver, elevate):
    invoice = sell()
    deliver()
    for state in ("refunded", "paid"):
        invoice.state = state
        invoice.save()
        deliver()
    assert statuses() == ["registered"]
    assert [r.cancelled for r in elevate.registrations] == [True, False]
    assert Registration.objects.get().registration_id == str(elevate.live()[0].registration_id)


def test_the_same_course_bought_twice_keeps_access_when_one_order_is_refunded(sell, deliver, elevate):
    first, second = sell(), sell()
    deliver()
    first.state = "refunded"
    first.save()
    deliver()
    assert statuses() == ["covered", "registered"]
    assert len(elevate.live()) == 2
    second.state = "refunded"
    second.save()
    deliver()
    assert statuses() == ["cancelled", "cancelled"]
    assert not elevate.live()


def test_another_learner_on_a_seat_cancels_the_one_and_registers_the_other(sell, deliver, elevate):
    invoice = sell()
    deliver()
    item = invoice.items.get()
    item.person_id, item.email = "M-2", "ben@example.org"
    item.save()
    deliver()
    deliver()
    assert [(r.remote_user_id, r.cancelled) for r in elevate.registrations] == [("M-1", True), ("M-2", False)]


def test_a_product_without_mapping_is_listed_and_not_registered(sell, deliver, elevate):
    sell("BOOK")
    deliver()
    assert not Registration.objects.exists()
    assert UnmappedSale.objects.open().of_product("course:BOOK").count() == 1


def test_a_refusal_keeps_elevates_words(sell, deliver, elevate):
    elevate.products.pop("ABCD1234")
    sell()
    deliver()
    row = Registration.objects.get()
    assert row.status == "refused"
    assert row.error_messages == [["product", "The requested product could not be found."]]
    attempt = Attempt.objects.get()
    assert attempt.outcome == "refused"
    assert "test-key" not in str(attempt.__dict__)
