"""What the source says about orders and products, and what its options do."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse
from django.utils import timezone
from oscar.core.loading import get_model

from elevate_integration.models import ProductMapping, Registration
from elevate_integration.orders.oscar import OscarOptions, OscarSource
from elevate_integration.orders.source import Learner
from tests.hosts.oscar import shop

pytestmark = pytest.mark.django_db


def seats(source, order):
    return source.snapshot(str(order.pk)).seats


def test_a_variant_is_named_before_its_parent(source, law):
    parent, day, night = law
    first, second = seats(source, shop.place(day, night, user=shop.member()))
    assert first.product_keys == (
        "upc:111",
        "sku:LAW-DAY",
        f"product:{day.pk}",
        "upc:LAW",
        f"product:{parent.pk}",
    )
    assert second.product_keys == (
        "sku:LAW-NIGHT",
        f"product:{night.pk}",
        "upc:LAW",
        f"product:{parent.pk}",
    )
    assert (first.title, second.title) == ("By day", "Law")


def test_the_variants_mapping_wins_and_the_parents_stands_for_the_others(law, elevate, deliver):
    parent, day, night = law
    ProductMapping.objects.create(product_key="sku:LAW-DAY", remote_product_id="ABCD1234")
    ProductMapping.objects.create(product_key=f"product:{parent.pk}", remote_product_id="LAW5678")
    client = shop.visitor(shop.member())
    shop.put_into_basket(client, parent, child_id=day.pk)
    shop.put_into_basket(client, parent, child_id=night.pk)
    shop.check_out(client)
    deliver()
    assert sorted((r.remote_product_id, r.amount_paid) for r in elevate.live()) == [
        ("ABCD1234", "90.00"),
        ("LAW5678", "80.00"),
    ]


def test_a_deleted_product_is_still_named_by_upc_and_sku(source, law):
    _, day, _ = law
    order = shop.place(day, user=shop.member())
    day.delete()
    assert seats(source, order)[0].product_keys == ("upc:111", "sku:LAW-DAY")


def test_a_lines_price_is_shared_to_the_cent_and_the_first_ones_get_the_odd_cents(source, ethics):
    order = shop.place(ethics, quantity=3, user=shop.member())
    amounts = [seat.amount_paid for seat in seats(source, order)]
    order.lines.update(line_price_incl_tax="200.00")
    assert amounts == [Decimal("100.00")] * 3
    shared = [seat.amount_paid for seat in seats(source, order)]
    assert shared == [Decimal("66.67"), Decimal("66.67"), Decimal("66.66")]


def test_a_snapshot_of_many_orders_asks_as_often_as_one_of_a_single_order(
    source, ethics, law, django_assert_num_queries
):
    user = shop.member()
    orders = [shop.place(ethics, law[1], user=user, quantity=2) for _ in range(6)]
    for order in orders:
        shop.pay(order)
        shop.refund(order, "100.00", (order.lines.first(), 1))
    refs = [str(order.pk) for order in orders]
    for some in (refs[:1], refs):
        with django_assert_num_queries(6):
            found = source.snapshots(some)
        assert [sum(seat.active for seat in shot.seats) for shot in found.values()] == [3] * len(some)


@pytest.mark.parametrize("ref", ["", "0", "01", "x", "-1", "9" * 30, "1.0", "٣"])
def test_a_reference_that_names_no_order_is_no_order(source, ethics, ref):
    shop.place(ethics, user=shop.member())
    assert source.snapshot(ref) is None
    assert source.placed_at(ref) is None
    assert source.order_url(ref) == ""


def test_an_order_knows_when_it_was_placed_and_where_staff_find_it(source, ethics):
    order = shop.place(ethics, user=shop.member())
    assert source.placed_at(str(order.pk)) == order.date_placed
    assert source.order_url(str(order.pk)) == f"/dashboard/orders/{order.number}/"


def test_recent_gives_what_was_placed_lately_and_what_has_a_fresh_trace(configure, ethics):
    source = configure(LOOK_BACK_DAYS=3)
    now, user = timezone.now(), shop.member()
    names = ("new", "old", "moved", "refunded", "debited")
    orders = {name: shop.place(ethics, user=user) for name in names}
    get_model("order", "Order").objects.exclude(pk=orders["new"].pk).update(
        date_placed=now - timedelta(days=4)
    )
    orders["moved"].refresh_from_db()
    orders["moved"].set_status("Cancelled")
    shop.refund(orders["refunded"], "1.00")
    shop.pay(orders["debited"])

    def recent(since: datetime | None) -> set[str]:
        refs = list(source.recent(since))
        assert len(refs) == len(set(refs))
        return {name for name, order in orders.items() if str(order.pk) in refs}

    assert recent(now - timedelta(minutes=15)) == set(names) - {"old"}
    assert recent(timezone.now()) == {"new"}
    assert recent(now - timedelta(days=5)) == set(names)
    assert recent(None) == set(names)


def test_a_names_less_account_borrows_the_name_of_the_address(source, ethics):
    user = shop.member(first_name="", last_name="")
    address = shop.factories.BillingAddressFactory(first_name="Ada", last_name="Billing")
    order = shop.place(ethics, user=user, billing_address=address)
    assert source.snapshot(str(order.pk)).buyer == Learner(str(user.pk), "Ada", "Billing", "ada@example.org")


def test_a_log_in_is_a_learner_and_a_visitor_is_none(source):
    from django.contrib.auth.models import AnonymousUser

    user = shop.member()
    assert source.learner_for(user) == Learner(str(user.pk), "Ada", "Sample", "ada@example.org")
    assert source.learner_for(AnonymousUser()) is None
    assert source.learner_for(None) is None


# --- products


def test_the_picker_offers_singles_parents_and_variants(source, ethics, law):
    night = law[2]
    found = {p.title: p.key for p in source.products()}
    assert found == {
        "Ethics 101": "sku:ETHICS",
        "Law": "upc:LAW",
        "Law: By day": "upc:111",
        f"Law: #{night.pk}": "sku:LAW-NIGHT",
    }
    assert len(source.products(limit=2)) == 2


@pytest.mark.parametrize(
    ("search", "titles"),
    [
        ("ethics", ["Ethics 101"]),
        ("day law", ["Law: By day"]),
        ("night", ["night"]),
        ("111", ["Law: By day"]),
        ("nothing", []),
        ("", ["Ethics 101", "Law", "Law: By day", "night"]),
    ],
)
def test_the_picker_searches_titles_upcs_and_skus(source, ethics, law, search, titles):
    found = {"night" if p.key == "sku:LAW-NIGHT" else p.title for p in source.products(search)}
    assert found == set(titles)


def test_the_picker_asks_the_same_number_of_times_for_many_products(source, django_assert_num_queries):
    for number in range(8):
        shop.course(f"C{number}", f"Course {number}", "1.00")
    for limit in (1, 8):
        with django_assert_num_queries(3):
            assert len(source.products("course", limit=limit)) == limit


def test_a_sku_that_two_products_share_is_not_offered(source, ethics):
    other = shop.course("", "Ethics abroad", "")
    shop.factories.create_stockrecord(other, price=5, partner_sku="ETHICS", partner_name="Abroad")
    assert {p.key for p in source.products()} == {f"product:{ethics.pk}", f"product:{other.pk}"}


def test_every_offered_key_is_one_that_a_seat_answers_to(source, ethics, law):
    _, day, night = law
    order = shop.place(ethics, day, night, user=shop.member())
    sold = {key for seat in seats(source, order) for key in seat.product_keys}
    assert {p.key for p in source.products()} <= sold


def test_a_products_page_is_its_own_or_its_parents(configure, ethics, law):
    parent, day, _ = law
    source = configure(SITE_URL="https://shop.example.org/")
    page = f"https://shop.example.org/catalogue/law_{parent.pk}/"
    for key in ("upc:111", "sku:LAW-NIGHT", f"product:{day.pk}", "upc:LAW"):
        assert source.product_url(key) == page
    assert source.add_to_cart(None, "sku:ETHICS").endswith(f"/catalogue/ethics-101_{ethics.pk}/")
    assert (
        shop.visitor().get(source.product_url("upc:111").removeprefix("https://shop.example.org")).status_code
        == 200
    )
    for key in ("", "sku:", "upc:none", "product:x", "product:" + "9" * 30, "line:1", "ETHICS"):
        assert source.product_url(key) == ""


def test_a_product_that_is_not_public_has_no_page(source, ethics, law):
    parent, _, _ = law
    type(parent).objects.filter(pk__in=[parent.pk, ethics.pk]).update(is_public=False)
    assert source.product_url("sku:ETHICS") == ""
    assert source.product_url("upc:111") == ""
    assert not any(p.active for p in source.products())


# --- attendees


@pytest.fixture
def attendees(configure, ethics):
    """The course asks for an attendee on its page."""
    for code in ("attendee-first", "attendee-last", "attendee-mail"):
        option = get_model("catalogue", "Option").objects.create(name=code, code=code, type="text")
        ethics.product_options.add(option)
    names = {"first_name": "attendee-first", "last_name": "attendee-last", "email": "attendee-mail"}
    return configure(ATTENDEE=names)


def attended(first, last, mail):
    return {"attendee-first": first, "attendee-last": last, "attendee-mail": mail}


def test_attendees_of_many_orders_cost_two_queries(attendees, ethics, django_assert_num_queries):
    ben = shop.member(email="ben@example.org")
    refs = []
    for _ in range(3):
        client = shop.visitor(ben)
        shop.put_into_basket(client, ethics, **attended("Ada", "Sample", "someone@example.org"))
        refs.append(str(shop.check_out(client).pk))
    for some in (refs[:1], refs):
        with django_assert_num_queries(8):
            attendees.snapshots(some)


def test_a_named_attendee_takes_the_seat_and_is_known_by_the_address(attendees, ethics, elevate, deliver):
    ben = shop.member(email="ben@example.org", first_name="Benjamin")
    client = shop.visitor(shop.member())
    # What the buyer types does not rename the member.
    shop.put_into_basket(client, ethics, **attended("Mallory", "Other", "Ben@Example.org"))
    shop.check_out(client)
    deliver()
    (held,) = elevate.live()
    assert (held.remote_user_id, held.firstname, held.lastname) == (str(ben.pk), "Benjamin", "Sample")


def test_an_attendee_without_an_account_is_held(attendees, ethics, deliver):
    client = shop.visitor(shop.member())
    shop.put_into_basket(client, ethics, **attended("Ben", "Other", "ben@example.org"))
    shop.check_out(client)
    deliver()
    row = Registration.objects.get()
    assert (row.status, row.email, row.problems) == ("held", "ben@example.org", "no_user_id")


def test_an_attendee_whose_account_is_deactivated_keeps_the_place(attendees, ethics):
    ben = shop.member(email="ben@example.org")
    client = shop.visitor(shop.member())
    shop.put_into_basket(client, ethics, **attended("Ben", "Other", "ben@example.org"))
    order = shop.check_out(client)
    type(ben).objects.filter(pk=ben.pk).update(is_active=False)
    assert seats(attendees, order)[0].learner.remote_user_id == str(ben.pk)


def test_the_buyer_named_as_attendee_is_the_buyer(attendees, ethics, elevate, deliver):
    user = shop.member()
    client = shop.visitor(user)
    shop.put_into_basket(client, ethics, **attended("", "", "ADA@example.org"))
    shop.check_out(client)
    deliver()
    assert [(r.remote_user_id, r.firstname) for r in elevate.live()] == [(str(user.pk), "Ada")]


def test_an_address_of_two_accounts_names_neither(attendees, ethics, deliver):
    for name in ("one", "two"):
        get_model("auth", "User").objects.create(username=name, email="ben@example.org")
    client = shop.visitor(shop.member())
    shop.put_into_basket(client, ethics, **attended("Ben", "Other", "ben@example.org"))
    shop.check_out(client)
    deliver()
    assert Registration.objects.get().problems == "no_user_id"


# --- options


def test_money_alone_makes_paid_where_no_status_does(configure, ethics):
    source = configure()
    order = shop.place(ethics, user=shop.member())
    order.set_status("Being processed")
    assert not seats(source, order)[0].active
    shop.pay(order)
    assert seats(source, order)[0].active


def test_statuses_and_events_may_have_the_shops_own_names(configure, ethics):
    source = configure(
        PAID_STATUSES=["being processed "], DEAD_STATUSES=["complete"], REFUND_EVENTS=["Retour"]
    )
    order = shop.place(ethics, user=shop.member(), quantity=2)
    order.set_status("Being processed")
    assert [s.active for s in seats(source, order)] == [True, True]
    shop.refund(order, "100.00", (order.lines.get(), 1), name="Refund")
    assert [s.active for s in seats(source, order)] == [True, True]
    shop.refund(order, "100.00", (order.lines.get(), 1), name="RETOUR")
    assert [s.active for s in seats(source, order)] == [True, False]
    order.set_status("Complete")
    assert [s.active for s in seats(source, order)] == [False, False]


def problems(source):
    return [m.msg for m in checks.run_checks() if m.id == "elevate.W007"]


def test_the_shops_own_set_up_has_no_problem(source):
    assert list(source.problems()) == []
    assert problems(source) == []


def test_a_status_that_the_shop_does_not_have_is_named(configure):
    source = configure(PAID_STATUSES=["Payed"], DEAD_STATUSES=["Cancelled", "Void"])
    first, second = problems(source)
    assert "'Payed'" in first
    assert "Being processed, Cancelled, Complete, Pending" in first
    assert "'Void'" in second


def test_a_status_of_lines_is_none_of_orders(configure, monkeypatch):
    monkeypatch.setattr(get_model("order", "Line"), "pipeline", {"Sent": ("Returned",)})
    (only,) = problems(configure(PAID_STATUSES=["Sent"], DEAD_STATUSES=["Returned"]))
    assert "'Sent'" in only


def test_a_status_after_paid_that_would_take_the_seats_away_is_named(configure):
    source = configure(PAID_STATUSES=["Being processed"])
    (only,) = problems(source)
    assert only.startswith("'Complete' can follow the paid status 'Being processed'")


def test_a_shop_without_pipelines_is_not_judged(configure, monkeypatch):
    monkeypatch.setattr(get_model("order", "Order"), "pipeline", {})
    assert problems(configure(PAID_STATUSES=["Whatever"])) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"PAID_STATUS": ["Paid"]}, "Did you mean 'PAID_STATUSES'"),
        ({"zzz": 1}, "The keys are: PAID_STATUSES"),
        ({"PAID_STATUSES": "Paid"}, "a list of names is needed"),
        ({"DEAD_STATUSES": None}, "a list of names is needed"),
        ({"ATTENDEE": {"surname": "x"}}, "first_name, last_name, email"),
        ({"ATTENDEE": "x"}, "a dict with some of the keys"),
        ({"LOOK_BACK_DAYS": -1}, "a whole number is needed"),
        ({"LOOK_BACK_DAYS": True}, "a whole number is needed"),
        ({"SITE_URL": None}, "text is needed"),
    ],
)
def test_a_wrong_option_is_refused_with_its_name(given, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        OscarOptions.read(given)


def test_a_wrong_option_is_an_error_at_deployment(settings):
    settings.ELEVATE = {**settings.ELEVATE, "OSCAR": {"PAID_STATUS": ["Paid"]}}
    (found,) = [m for m in checks.run_checks() if m.id == "elevate.E008"]
    assert "PAID_STATUSES" in found.msg


def test_a_shop_without_dashboard_has_no_page_for_staff(source, ethics, monkeypatch):
    order = shop.place(ethics, user=shop.member())
    monkeypatch.setattr("elevate_integration.orders.oscar.reverse", _no_such_page)
    assert source.order_url(str(order.pk)) == ""


def test_a_line_names_the_seats_that_the_snapshot_shows(source, ethics):
    order = shop.place(ethics, user=shop.member(), quantity=3)
    shown = tuple(seat.key for seat in source.snapshot(str(order.pk)).seats)
    assert len(shown) == 3
    assert source.seats_of_line(order.lines.get()) == (str(order.pk), shown)


def _no_such_page(*args, **kwargs):
    return reverse("no-such-page")


def test_a_shop_may_say_itself_what_is_paid(configure, ethics, elevate, deliver):
    configure("tests.hosts.oscar.test_source.TrustingSource")
    shop.place(ethics, user=shop.member())
    deliver()
    assert len(elevate.live()) == 1


class TrustingSource(OscarSource):
    """A shop that lets its members pay later."""

    def is_paid(self, order):
        return order.user is not None
