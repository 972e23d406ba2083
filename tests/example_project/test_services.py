"""What the store does, without pages."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from example_project.members.models import Member
from example_project.store import services
from example_project.store.models import LineAttendee, Order, Payment, Product

Find = Callable[[str], Product]
Buy = Callable[..., Order]


def test_the_same_product_again_makes_the_line_longer(grace: Member, product: Find) -> None:
    services.add_to_cart(grace, product("RB-DRN-120"))
    cart = services.add_to_cart(grace, product("RB-DRN-120"), 2)
    assert [line.quantity for line in cart.lines.all()] == [3]
    assert cart.total == Decimal("387.00")


def test_a_product_is_ensured_once(grace: Member, product: Find) -> None:
    services.ensure_in_cart(grace, product("RB-DRN-120"))
    cart = services.ensure_in_cart(grace, product("RB-DRN-120"))
    assert cart.lines.get().quantity == 1


def test_a_product_no_longer_sold_is_refused(grace: Member, product: Find) -> None:
    Product.objects.filter(sku="RB-DRN-120").update(active=False)
    with pytest.raises(services.StoreError, match="no longer sold"):
        services.add_to_cart(grace, product("RB-DRN-120"))


def test_no_line_grows_beyond_fifty(grace: Member, product: Find) -> None:
    services.add_to_cart(grace, product("RB-DRN-120"), 40)
    assert services.add_to_cart(grace, product("RB-DRN-120"), 40).lines.get().quantity == 50


@pytest.mark.parametrize(
    ("price", "quantity", "amount"),
    [("19.99", 1, "19.99"), ("19.99", 4, "79.96"), ("19.99", 5, "89.96"), ("0.00", 9, "0.00")],
)
def test_five_places_cost_a_tenth_less(price: str, quantity: int, amount: str) -> None:
    assert services.line_amount(Decimal(price), quantity) == Decimal(amount)


def test_checkout_takes_the_money_and_closes_the_cart(grace: Member, buy: Buy) -> None:
    order = buy("RB-BND-101", "RB-ETH-001")
    assert order.status == Order.Status.PAID
    assert order.placed_at is not None
    assert order.payments.get().amount == Decimal("149.00")
    assert services.cart_of(grace) is None


def test_a_free_order_needs_no_card(grace: Member, product: Find) -> None:
    cart = services.add_to_cart(grace, product("RB-ETH-001"))
    assert services.checkout(cart, card_ok=False).status == Order.Status.PAID
    assert not Payment.objects.exists()


def test_a_declined_card_leaves_the_cart_as_it_was(grace: Member, product: Find) -> None:
    cart = services.add_to_cart(grace, product("RB-BND-101"))
    with pytest.raises(services.CardDeclinedError):
        services.checkout(cart, card_ok=False)
    cart.refresh_from_db()
    assert (cart.status, cart.placed_at) == (Order.Status.OPEN, None)
    assert not Payment.objects.exists()


def test_an_order_is_placed_once(buy: Buy) -> None:
    order = buy("RB-BND-101")
    with pytest.raises(services.StoreError, match="already"):
        services.checkout(order)
    assert order.payments.count() == 1


def test_an_empty_cart_is_not_placed(grace: Member, product: Find) -> None:
    cart = services.add_to_cart(grace, product("RB-BND-101"))
    services.change_quantity(cart.lines.get(), 0)
    with pytest.raises(services.StoreError, match="empty"):
        services.checkout(cart)


def test_a_placed_order_is_not_changed(buy: Buy) -> None:
    order = buy("RB-BND-101")
    with pytest.raises(services.StoreError, match="no longer be changed"):
        services.change_quantity(order.lines.get(), 3)


def test_fewer_places_drop_the_people_beyond_them(grace: Member, product: Find) -> None:
    line = services.add_to_cart(grace, product("RB-BND-101"), 3).lines.get()
    for position in (2, 3):
        services.name_seat(
            line, position, first_name="Pat", last_name="Doe", email=f"pat{position}@example.net"
        )
    cart = services.change_quantity(line, 2)
    assert [person.position for person in cart.attendees.all()] == [2]


def test_a_named_person_with_a_members_address_is_that_member(buy: Buy) -> None:
    line = buy(("RB-BND-101", 2)).lines.get()
    person = services.name_seat(line, 2, first_name="L", last_name="H", email=" Layla@Example.org ")
    assert person is not None
    assert person.member == Member.objects.get(email="layla@example.org")
    assert person.order_id == line.order_id


def test_a_name_can_be_taken_away_and_changed(buy: Buy) -> None:
    line = buy(("RB-BND-101", 2)).lines.get()
    services.name_seat(line, 2, first_name="Pat", last_name="Doe", email="pat@example.net")
    services.name_seat(line, 2, first_name="Kim", last_name="Doe", email="kim@example.net")
    assert [str(person) for person in line.attendees.all()] == ["Kim Doe"]
    assert services.name_seat(line, 2) is None
    assert not LineAttendee.objects.exists()


def test_a_place_beyond_the_line_is_refused(buy: Buy) -> None:
    line = buy(("RB-BND-101", 2)).lines.get()
    with pytest.raises(services.StoreError, match="no place 3"):
        services.name_seat(line, 3, first_name="Pat", last_name="Doe", email="pat@example.net")


def test_a_refund_gives_everything_back(buy: Buy) -> None:
    order = buy("RB-BND-101", "RB-BOOK-07")
    assert services.refund(order) == Decimal("191.00")
    assert order.status == Order.Status.REFUNDED
    assert [str(payment.amount) for payment in order.payments.all()] == ["191.00", "-191.00"]


def test_one_line_refunded_leaves_the_order_paid(buy: Buy) -> None:
    order = buy("RB-BND-101", "RB-BOOK-07")
    course, book = order.lines.all()
    assert services.refund(order, [book]) == Decimal("42.00")
    assert order.status == Order.Status.PAID
    assert services.refund(order, [book]) == Decimal("0.00")
    services.refund(order, [course])
    assert order.status == Order.Status.REFUNDED


def test_what_is_not_paid_is_neither_refunded_nor_cancelled(grace: Member, product: Find, buy: Buy) -> None:
    order = buy("RB-BND-101")
    services.cancel(order)
    assert order.status == Order.Status.CANCELLED
    for act in (services.refund, services.cancel):
        with pytest.raises(services.StoreError, match="not paid"):
            act(order)
