"""From Oscar's own checkout to Elevate, over HTTP on both sides."""

from __future__ import annotations

import pytest
from django.db import connections, transaction
from django.urls import reverse

from elevate_integration.models import OrderMark, Registration, UnmappedSale
from elevate_integration.orders.oscar import OscarSource
from tests.hosts.oscar import shop

pytestmark = pytest.mark.django_db


class GuestSource(OscarSource):
    """A shop whose single sign-on knows guests by their address."""

    def guest_id(self, order):
        return f"guest-{order.guest_email}"


def statuses() -> list[str]:
    return list(Registration.objects.order_by("pk").values_list("status", flat=True))


def test_a_member_buys_and_is_registered(requests_atomic, ethics, elevate, deliver):
    user = shop.member()
    order = shop.buy(shop.visitor(user), ethics)
    assert order.status == "Pending"
    deliver()
    assert statuses() == ["registered"]
    (held,) = elevate.registrations
    assert (held.remote_user_id, held.remote_product_id, held.amount_paid) == (
        str(user.pk),
        "ABCD1234",
        "100.00",
    )
    assert (held.firstname, held.lastname, held.email) == ("Ada", "Sample", "ada@example.org")
    assert not OrderMark.objects.exists()
    assert len(elevate.calls) == 1


def test_nothing_is_sent_before_the_money_is_there(requests_atomic, ethics, elevate, deliver):
    order = shop.place(ethics, user=shop.member())
    deliver()
    assert not Registration.objects.exists()
    shop.pay(order, "99.99")
    deliver()
    assert not Registration.objects.exists()
    shop.pay(order, "0.01")
    deliver()
    assert statuses() == ["registered"]


def test_a_free_order_which_no_payment_announces_is_registered(requests_atomic, ethics, elevate, deliver):
    ethics.stockrecords.update(price="0.00")
    order = shop.buy(shop.visitor(shop.member()), ethics)
    assert (order.status, order.sources.count(), order.payment_events.count()) == ("Pending", 0, 0)
    deliver()
    assert [r.amount_paid for r in elevate.registrations] == ["0.00"]


def test_a_guest_has_an_address_and_no_name_and_is_held(requests_atomic, ethics, elevate, deliver):
    order = shop.buy(shop.visitor(), ethics, guest="gast@example.org")
    assert order.user is None
    deliver()
    row = Registration.objects.get()
    assert (row.status, row.email, row.problems) == ("held", "gast@example.org", "no_user_id,no_name")
    assert not elevate.calls


def test_a_guest_whom_the_shop_gives_an_id_and_an_address_is_registered(configure, ethics, elevate, deliver):
    configure("tests.hosts.oscar.test_checkout.GuestSource")
    address = shop.factories.ShippingAddressFactory(first_name="Gösta", last_name="Ek")
    shop.pay(shop.place(ethics, guest_email="gast@example.org", shipping_address=address))
    deliver()
    (held,) = elevate.registrations
    assert (held.remote_user_id, held.firstname, held.lastname) == ("guest-gast@example.org", "Gösta", "Ek")


def test_a_guests_order_given_to_an_account_goes_on(ethics, elevate, deliver):
    order = shop.buy(shop.visitor(), ethics, guest="ada@example.org")
    deliver()
    user = shop.member()
    order.user, order.guest_email = user, ""
    order.save()
    deliver()
    assert statuses() == ["registered"]
    assert [r.remote_user_id for r in elevate.registrations] == [str(user.pk)]


def test_five_places_are_five_seats_of_which_the_buyer_has_the_first(
    requests_atomic, ethics, elevate, deliver
):
    ethics.stockrecords.update(price="33.33")
    order = shop.buy(shop.visitor(shop.member()), ethics, 3)
    line = order.lines.get()
    deliver()
    assert statuses() == ["registered", "held", "held"]
    assert list(Registration.objects.order_by("pk").values_list("seat_key", "problems")) == [
        (f"line:{line.pk}:1", ""),
        (f"line:{line.pk}:2", "no_learner"),
        (f"line:{line.pk}:3", "no_learner"),
    ]


def test_an_order_rolled_back_leaves_no_trace(ethics, elevate, deliver):
    with transaction.atomic():
        order = shop.place(ethics, user=shop.member())
        shop.pay(order)
        assert OrderMark.objects.filter(order_ref=order.pk).exists()
        transaction.set_rollback(True)
    assert not OrderMark.objects.exists()
    deliver()
    assert not elevate.calls


@pytest.mark.django_db(transaction=True)
def test_a_checkout_marks_once_per_transaction_and_calls_nobody(ethics, elevate, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    client = shop.visitor(shop.member())
    shop.put_into_basket(client, ethics)
    order = shop.check_out(client)
    # The thank-you page saves the order once more, in a request of its own.
    assert list(OrderMark.objects.values_list("order_ref", flat=True)) == [str(order.pk)] * 2
    assert not elevate.calls


def test_a_product_without_mapping_is_listed(requests_atomic, elevate, deliver):
    book = shop.course("BOOK", "A book", "10.00", upc="978")
    shop.buy(shop.visitor(shop.member()), book)
    deliver()
    assert not Registration.objects.exists()
    sale = UnmappedSale.objects.get()
    assert sale.keys == ["upc:978", "sku:BOOK", f"product:{book.pk}"]
    assert sale.product_title == "A book"


def test_a_shopper_buys_while_elevate_is_away(ethics, settings, deliver):
    away = {"URL": "http://127.0.0.1:9", "RETRY_FIRST": 60.0, "RETRY_CEILING": 60.0}
    settings.ELEVATE = {**settings.ELEVATE, **away}
    shop.buy(shop.visitor(shop.member()), ethics)
    assert deliver() == 1
    assert statuses() == ["pending"]


def test_the_landing_page_of_a_course_answers_and_its_basket_takes_forms_only(ethics, source):
    client = shop.visitor()
    page = source.add_to_cart(None, "sku:ETHICS")
    assert client.get(page).status_code == 200
    assert client.get(reverse("basket:add", args=[ethics.pk])).status_code == 405
