"""The store as an order source: when an order is marked, and what is true about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.test import RequestFactory
from django.utils import timezone

from elevate_integration.conf import order_source
from elevate_integration.models import OrderMark
from example_project.members.models import Member
from example_project.store import services
from example_project.store.elevate import StoreOrderSource, ref_of_order, ref_of_part
from example_project.store.models import LineAttendee, Order, OrderLine, Product

Find = Callable[[str], Product]
Buy = Callable[..., Order]
Marks = Callable[[], list[str]]


@pytest.fixture
def source() -> StoreOrderSource:
    return StoreOrderSource()


def seats_of(order: Order) -> tuple[Any, ...]:
    found = StoreOrderSource().snapshot(str(order.pk))
    assert found is not None
    return found.seats


def test_the_settings_name_this_source(db: None) -> None:
    assert isinstance(order_source(), StoreOrderSource)


def test_the_name_of_an_order_costs_no_query(
    buy: Buy, grace: Member, product: Find, django_assert_num_queries: Any
) -> None:
    paid = buy(("RB-BND-101", 2))
    person = services.name_seat(paid.lines.get(), 2, first_name="P", last_name="D", email="p@example.net")
    assert person is not None
    cart = services.add_to_cart(grace, product("RB-BND-101"))
    cart_line = OrderLine.objects.select_related("order").get(order=cart)
    fresh = [OrderLine.objects.get(order=paid), LineAttendee.objects.get(), paid.payments.get()]
    with django_assert_num_queries(0):
        assert ref_of_order(instance=paid) == str(paid.pk)
        assert [ref_of_part(instance=part) for part in fresh] == [str(paid.pk)] * 3
        assert ref_of_order(instance=cart) == ""
        assert ref_of_part(instance=cart_line) == ""


def test_filling_a_cart_marks_nothing(grace: Member, product: Find, marks: Marks) -> None:
    services.add_to_cart(grace, product("RB-BND-101"))
    cart = services.add_to_cart(grace, product("RB-DRN-120"), 5)
    services.change_quantity(cart.lines.last(), 2)
    assert marks() == []


def test_saving_an_open_cart_costs_its_own_update_only(
    grace: Member, product: Find, django_assert_num_queries: Any
) -> None:
    cart = services.add_to_cart(grace, product("RB-BND-101"))
    with django_assert_num_queries(1):
        cart.save()


@pytest.mark.django_db(transaction=True)
def test_each_act_after_the_order_is_placed_marks_it_once(transactional_db: None, request: Any) -> None:
    buy, marks = request.getfixturevalue("buy"), request.getfixturevalue("marks")
    order = buy(("RB-BND-101", 2), "RB-DRN-120")
    ref = str(order.pk)
    assert marks() == [ref]
    line = order.lines.first()
    services.name_seat(line, 2, first_name="P", last_name="D", email="p@example.net")
    assert marks() == [ref]
    services.refund(order, [line])
    assert marks() == [ref]
    services.cancel(order)
    assert marks() == [ref]
    order.payments.all().delete()
    marks()
    with transaction.atomic():
        order.delete()
    assert marks() == [ref]


@pytest.mark.django_db(transaction=True)
def test_a_declined_card_leaves_no_mark(transactional_db: None, grace: Member, product: Find) -> None:
    cart = services.add_to_cart(grace, product("RB-BND-101"))
    with pytest.raises(services.CardDeclinedError):
        services.checkout(cart, card_ok=False)
    assert not OrderMark.objects.exists()


def test_a_paid_order_gives_the_buyer_a_seat(buy: Buy) -> None:
    order = buy("RB-BND-101")
    (seat,) = seats_of(order)
    assert seat.key == f"line:{order.lines.get().pk}:1"
    assert seat.product_keys == ("RB-BND-101",)
    assert (seat.learner.remote_user_id, seat.learner.first_name) == ("RB-1001", "Grace")
    assert (seat.active, seat.amount_paid) == (True, Decimal("149.00"))
    assert seat.title == "Boundary Retracement: Following the Footsteps"


def test_five_seats_of_which_two_are_named(buy: Buy) -> None:
    line = buy(("RB-FLD-115", 5)).lines.get()
    services.name_seat(line, 2, first_name="L", last_name="H", email="layla@example.org")
    services.name_seat(line, 4, first_name="Peter", last_name="Guest", email="peter@example.net")
    seats = seats_of(line.order)
    people = [seat.learner and (seat.learner.remote_user_id, seat.learner.first_name) for seat in seats]
    assert people == [("RB-1001", "Grace"), ("RB-1004", "ليلى"), None, ("", "Peter"), None]
    assert [str(seat.amount_paid) for seat in seats] == ["18.00", "17.99", "17.99", "17.99", "17.99"]
    assert sum(seat.amount_paid for seat in seats) == line.amount


def test_the_first_seat_can_be_given_away(buy: Buy) -> None:
    line = buy("RB-BND-101").lines.get()
    services.name_seat(line, 1, first_name="Z", last_name="B", email="zoe@example.org")
    (seat,) = seats_of(line.order)
    assert seat.learner.remote_user_id == "RB-1003"


def test_only_paid_lines_are_active(buy: Buy, grace: Member, product: Find) -> None:
    order = buy("RB-BND-101", "RB-DRN-120")
    services.refund(order, [order.lines.first()])
    assert [seat.active for seat in seats_of(order)] == [False, True]
    services.cancel(order)
    assert [seat.active for seat in seats_of(order)] == [False, False]
    cart = services.add_to_cart(grace, product("RB-BND-101"))
    assert [seat.active for seat in seats_of(cart)] == [False]


def test_a_deleted_product_changes_nothing_for_those_who_bought_it(buy: Buy, product: Find) -> None:
    order = buy("RB-BND-101")
    before = seats_of(order)
    product("RB-BND-101").delete()
    assert seats_of(order) == before


def test_a_batch_takes_three_queries_whatever_its_size(
    buy: Buy, source: StoreOrderSource, django_assert_num_queries: Any
) -> None:
    orders = [buy(("RB-BND-101", 3), "RB-DRN-120") for _ in range(4)]
    for order in orders:
        services.name_seat(order.lines.first(), 2, first_name="L", last_name="H", email="layla@example.org")
    refs = [str(order.pk) for order in orders]
    for size in (1, 4):
        with django_assert_num_queries(3):
            found = source.snapshots([*refs[:size], "999999"])
        assert len(found) == size + 1
        assert found["999999"] is None
        assert all(len(found[ref].seats) == 4 for ref in refs[:size])


@pytest.mark.parametrize("ref", ["", "abc", "0", "٣", "-1", "1.0", "9" * 30])
def test_what_is_no_order_number_is_no_order(db: None, source: StoreOrderSource, ref: str) -> None:
    assert source.snapshot(ref) is None
    assert source.placed_at(ref) is None


def test_an_order_has_one_name_only(buy: Buy, source: StoreOrderSource) -> None:
    order = buy("RB-BND-101")
    assert source.snapshot(f"0{order.pk}") is None
    assert source.placed_at(str(order.pk)) == order.placed_at


def test_recent_gives_placed_orders_that_changed(
    buy: Buy, grace: Member, product: Find, source: StoreOrderSource
) -> None:
    old, new = buy("RB-BND-101"), buy("RB-DRN-120")
    services.add_to_cart(grace, product("RB-BND-101"))
    Order.objects.filter(pk=old.pk).update(updated_at=timezone.now() - timedelta(days=2))
    assert list(source.recent(None)) == [str(old.pk), str(new.pk)]
    yesterday = timezone.now() - timedelta(days=1)
    assert list(source.recent(yesterday)) == [str(new.pk)]
    services.name_seat(old.lines.get(), 1, first_name="L", last_name="H", email="layla@example.org")
    assert list(source.recent(yesterday)) == [str(old.pk), str(new.pk)]


def test_products_are_found_by_title_and_key(store: None, source: StoreOrderSource) -> None:
    assert [p.key for p in source.products("drone")] == ["RB-DRN-120"]
    assert [p.key for p in source.products("rb-eth")] == ["RB-ETH-001"]
    assert len(list(source.products(limit=3))) == 3


def test_a_product_has_an_absolute_address_while_it_is_sold(store: None, source: StoreOrderSource) -> None:
    assert source.product_url("RB-ETH-001") == "http://127.0.0.1:8000/products/ethics/"
    Product.objects.update(active=False)
    assert source.product_url("RB-ETH-001") == source.product_url("nothing") == ""
    assert not next(iter(source.products("ethics"))).active


def test_following_the_register_link_twice_buys_once(grace: Member, source: StoreOrderSource) -> None:
    request = RequestFactory().get("/")
    request.user = grace
    assert source.add_to_cart(request, "RB-ETH-001") == "/cart/"
    assert source.add_to_cart(request, "RB-ETH-001") == "/cart/"
    cart = services.cart_of(grace)
    assert cart is not None
    assert cart.lines.get().quantity == 1
    assert source.add_to_cart(request, "nothing") == ""


def test_a_visitor_logs_in_before_the_cart(store: None, source: StoreOrderSource) -> None:
    request = RequestFactory().post("/elevate/register/RB001/")
    request.user = AnonymousUser()
    assert source.add_to_cart(request, "RB-ETH-001") == "/login/?next=/elevate/register/RB001/"


def test_a_line_names_the_seats_that_the_snapshot_shows(buy: Buy, source: StoreOrderSource) -> None:
    order = buy(("RB-BND-101", 3), "RB-DRN-120")
    named = [source.seats_of_line(line) for line in order.lines.all()]
    assert [ref for ref, _ in named] == [str(order.pk)] * 2
    assert [key for _, keys in named for key in keys] == [seat.key for seat in seats_of(order)]


def test_a_log_in_is_a_learner(grace: Member, source: StoreOrderSource) -> None:
    learner = source.learner_for(grace)
    assert learner is not None
    assert (learner.remote_user_id, learner.email) == ("RB-1001", "grace@example.org")
    assert source.learner_for(AnonymousUser()) is None


def test_staff_are_led_to_the_order(source: StoreOrderSource) -> None:
    assert source.order_url("7") == "/admin/store/order/7/change/"
