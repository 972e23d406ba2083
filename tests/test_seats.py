"""Seats that an order names nobody for: who is named here goes to Elevate, the host's own naming goes before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import seats
from elevate_integration.delivery.sweep import sweep
from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import OrderMark, ProductMapping, Registration, SeatAssignment
from elevate_integration.orders.source import Learner
from elevate_integration.seats import Link, Name, OpenSeat, name_seats, open_seats
from elevate_integration.sync import preview, sync_order
from elevate_integration.words import problems
from tests.plainshop.models import Invoice, Item
from tests.plainshop.seats import GroupSource

pytestmark = pytest.mark.django_db(transaction=True)

BEN = Learner("M-2", "Benjamin", "Sample", "ben@example.org")
EVE = Learner("M-3", "Eve", "Sample", "eve@example.org")
TYPED_BEN = Name("Benny", "S", "Ben@example.org")


@pytest.fixture
def order(groupshop, sell) -> Invoice:
    """Ada bought Ethics for herself and for two others."""
    invoice = sell()
    GroupSource.buyers[str(invoice.pk)] = Learner("M-1", "Ada", "Sample", "ada@example.org")
    for _ in range(2):
        Item.objects.create(invoice=invoice, course="ETHICS", price="120.00")
    return invoice


def keys(order: Invoice) -> list[str]:
    """The seats that wait for names."""
    return [f"item:{item.pk}" for item in order.items.filter(person_id="").order_by("pk")]


def name(order: Invoice, **options: Any) -> seats.Named:
    """Name whom the options say for the first seat that waits."""
    who = options.pop("who", TYPED_BEN)
    return name_seats(str(order.pk), {keys(order)[0]: who}, **{"by": "", **options})


def row_of(order: Invoice, number: int = 0) -> Registration:
    return Registration.objects.filter(seat_key=keys(order)[number]).latest("pk")


def statuses() -> list[str]:
    return list(Registration.objects.order_by("pk").values_list("status", flat=True))


# What sync makes of it.


def test_a_seat_that_was_named_goes_to_the_account_under_the_accounts_own_names(order, deliver, elevate):
    GroupSource.accounts = {"ben@example.org": BEN}
    deliver()
    assert statuses() == ["registered", "held", "held"]
    assert row_of(order).problems == "no_learner"
    assert name(order).saved == (keys(order)[0],)
    deliver()
    assert statuses() == ["registered", "registered", "held"]
    _, sent = elevate.calls[-1]
    assert (sent["remote_user_id"], sent["firstname"]) == ("M-2", "Benjamin")


def test_an_account_without_names_takes_the_typed_ones(order, deliver, elevate):
    GroupSource.accounts = {"ben@example.org": replace(BEN, first_name="", last_name="")}
    name(order)
    deliver()
    assert sorted(sent["firstname"] for _, sent in elevate.calls) == ["Ada", "Benny"]


def test_a_person_without_an_account_is_held_in_words_and_goes_on_when_the_account_appears(
    order, deliver, elevate
):
    name(order)
    deliver()
    row = row_of(order)
    assert (row.status, row.firstname, row.problems) == ("held", "Benny", "no_user_id")
    assert "This person has no account yet" in str(problems(row.problems)[0])
    assert len(elevate.calls) == 1
    GroupSource.accounts = {"ben@example.org": BEN}
    assert not OrderMark.objects.exists()
    sweep()
    deliver()
    assert [(one.status, one.remote_user_id) for one in [row_of(order)]] == [("registered", "M-2")]
    assert Registration.objects.filter(seat_key=keys(order)[0]).count() == 1


def test_the_hosts_own_naming_goes_before(order, deliver, elevate):
    GroupSource.accounts = {"ben@example.org": BEN}
    name(order)
    item = order.items.get(pk=keys(order)[0].removeprefix("item:"))
    item.person_id, item.first_name, item.email = "M-3", "Eve", "eve@example.org"
    item.save()
    deliver()
    assert sorted(sent["remote_user_id"] for _, sent in elevate.calls) == ["M-1", "M-3"]


@pytest.mark.parametrize("account", [replace(BEN, email="other@example.org"), replace(BEN, email="")])
def test_an_account_that_does_not_have_the_address_is_not_taken(order, deliver, account):
    GroupSource.accounts = {"ben@example.org": account}
    name(order)
    deliver()
    assert row_of(order).problems == "no_user_id"


def test_another_learner_after_the_first_was_sent_cancels_the_one_and_registers_the_other(
    order, deliver, elevate
):
    GroupSource.accounts = {"ben@example.org": BEN, "eve@example.org": EVE}
    name(order)
    deliver()
    assert name(order, who=Name("Eve", "", "eve@example.org"), by="boss", sent_too=True).saved
    deliver()
    deliver()
    found = Registration.objects.filter(seat_key=keys(order)[0]).order_by("pk")
    assert [(row.remote_user_id, row.status) for row in found] == [
        ("M-2", "cancelled"),
        ("M-3", "registered"),
    ]
    assert sorted(held.remote_user_id for held in elevate.live()) == ["M-1", "M-3"]


def test_an_account_that_goes_later_cancels_nothing(order, deliver, elevate):
    GroupSource.accounts = {"ben@example.org": BEN}
    name(order)
    deliver()
    GroupSource.accounts = {}
    order.save()
    deliver()
    deliver()
    assert row_of(order).status == "registered"
    assert len(elevate.live()) == 2


def test_a_refund_of_a_named_seat_cancels_it(order, deliver, elevate):
    GroupSource.accounts = {"ben@example.org": BEN}
    name(order)
    deliver()
    item = order.items.get(pk=keys(order)[0].removeprefix("item:"))
    item.refunded = True
    item.save()
    deliver()
    deliver()
    assert row_of(order).status == "cancelled"
    assert len(elevate.live()) == 1


def test_a_source_that_cannot_look_up_spoils_its_order_alone_and_cancels_nothing(order, deliver, monkeypatch):
    GroupSource.accounts = {"ben@example.org": BEN}
    name(order)
    deliver()

    def away(self, email):
        raise RuntimeError("the directory is away")

    monkeypatch.setattr(GroupSource, "learner_by_email", away)
    assert "the directory is away" in sync_order(str(order.pk), trigger="staff").error
    assert row_of(order).status == "registered"


def test_nothing_is_asked_about_an_order_whose_seats_all_have_learners(groupshop, sell, deliver):
    invoice = sell("ETHICS", "LAW")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        sync_order(str(invoice.pk), trigger="staff")
    assert not [query for query in asked.captured_queries if "seatassignment" in query["sql"]]


def test_a_preview_asks_once_for_all_its_orders_and_looks_up_only_who_was_named(groupshop, sell):
    orders = [sell(person_id="", first_name="", last_name="", email="") for _ in range(3)]
    for one in orders[:2]:
        name_seats(str(one.pk), {keys(one)[0]: TYPED_BEN}, by="")
    with CaptureQueriesContext(connection) as asked:
        preview([str(one.pk) for one in orders])
    assert len([query for query in asked.captured_queries if "seatassignment" in query["sql"]]) == 1
    assert GroupSource.lookups == 1


# Which seats are open, and what is written.


def test_open_seats_are_the_paid_ones_of_mapped_products_without_a_learner(order):
    Item.objects.create(invoice=order, course="BOOK", price="5.00")
    Item.objects.create(invoice=order, course="LAW", price="5.00", refunded=True)
    found = open_seats(str(order.pk))
    assert [seat.key for seat in found] == keys(order)[:2]
    assert {seat.taken for seat in found} == {frozenset({"ada@example.org"})}
    Invoice.objects.filter(pk=order.pk).update(state="open")
    assert open_seats(str(order.pk)) == ()
    assert open_seats("0") == ()


def test_an_order_before_the_go_live_date_and_one_whose_product_is_not_for_elevate_have_none(order):
    ProductMapping.objects.update(active=False)
    assert not open_seats(str(order.pk))
    ProductMapping.objects.update(active=True)
    Invoice.objects.filter(pk=order.pk).update(
        issued=datetime(2001, 1, 1, tzinfo=timezone.get_default_timezone())
    )
    assert not open_seats(str(order.pk))


def test_a_name_may_be_changed_and_taken_back_until_it_was_sent(order, deliver):
    assert name(order, by="ada").saved
    assert name(order, by="ada") == seats.Named()
    name(order, who=Name("Ben", "Two", "ben@example.org"))
    row = SeatAssignment.objects.get()
    assert (row.last_name, row.entered_by) == ("Two", "")
    deliver()
    assert name(order, who=Name()).saved
    assert not SeatAssignment.objects.exists()
    deliver()
    assert (row_of(order).problems, row_of(order).learner_key) == ("no_learner", "")


@pytest.mark.parametrize(
    "state",
    [{"at_elevate": AtElevate.PRESENT}, {"at_elevate": AtElevate.MAYBE}, {"registered_at": timezone.now()}],
    ids=lambda state: next(iter(state)),
)
def test_what_was_sent_is_left_unless_it_is_asked_for_and_never_emptied(order, deliver, state):
    name(order)
    deliver()
    Registration.objects.filter(pk=row_of(order).pk).update(**state)
    eve = Name("Eve", "", "eve@example.org")
    assert name(order, who=eve).left == (keys(order)[0],)
    assert name(order, who=Name(), sent_too=True).left == (keys(order)[0],)
    assert SeatAssignment.objects.get().email == "Ben@example.org"
    assert name(order, who=eve, sent_too=True).saved


def test_a_seat_that_is_not_open_is_never_written(order):
    first = f"item:{order.items.earliest('pk').pk}"
    named = name_seats(str(order.pk), {first: TYPED_BEN, "item:0": TYPED_BEN}, by="")
    assert named.left == (first, "item:0")
    assert not SeatAssignment.objects.exists()


def test_saving_marks_the_order_once_and_saving_nothing_does_not(order, deliver):
    deliver()
    assert not OrderMark.objects.exists()
    name_seats(str(order.pk), dict.fromkeys(keys(order), TYPED_BEN), by="")
    assert OrderMark.objects.filter(order_ref=str(order.pk)).count() == 1
    deliver()
    name_seats(str(order.pk), {keys(order)[0]: TYPED_BEN}, by="")
    assert not OrderMark.objects.exists()


def test_all_names_are_written_or_none(order, monkeypatch):
    written = seats._write

    def fails_at_the_second(order_ref, key, *rest):
        if key == keys(order)[1]:
            raise RuntimeError("no")
        written(order_ref, key, *rest)

    monkeypatch.setattr(seats, "_write", fails_at_the_second)
    with pytest.raises(RuntimeError):
        name_seats(str(order.pk), dict.fromkeys(keys(order), TYPED_BEN), by="")
    assert not SeatAssignment.objects.exists()


def test_what_no_database_takes_is_cleaned(order):
    name(order, who=Name("Be\x00n\ud800", "x" * 500, " ben@example.org "), by="y" * 500)
    row = SeatAssignment.objects.get()
    assert (row.first_name, len(row.last_name), row.email, len(row.entered_by)) == (
        "Ben",
        200,
        "ben@example.org",
        150,
    )


def open_seat(key: str, **fields: Any) -> OpenSeat:
    return OpenSeat(**{"key": key, "title": "", "product": "law", "name": Name(), "sent": False, **fields})


@pytest.mark.parametrize(
    ("second", "found"),
    [
        ({}, {"a", "b"}),
        ({"product": "ethics"}, set()),
        ({"product": "ethics", "taken": frozenset({"ben@example.org"})}, {"b"}),
    ],
)
def test_one_person_in_two_seats_of_one_product_is_told(second, found):
    pairs = [(open_seat("a"), TYPED_BEN), (open_seat("b", **second), Name("B", "", "BEN@example.org"))]
    assert seats.doubles(pairs) == found
    assert seats.doubles([*pairs, (open_seat("c"), Name()), (open_seat("d"), Name())]) == found


def test_a_persons_data_is_in_no_repr():
    seat = open_seat("a", name=TYPED_BEN, taken=frozenset({"ada@example.org"}))
    assert "example.org" not in repr(seat)
    assert "Benny" not in repr(seat)


# Who may.


def test_a_link_is_good_for_its_order_until_it_is_too_old(order, settings):
    url = seats.assignment_url(None, order.pk)
    assert url.startswith("/elevate/seats/")
    ticket = url.removeprefix("/elevate/seats/").rstrip("/")
    assert seats.read_link(ticket) == Link(str(order.pk))
    assert seats.assignment_url(RequestFactory().get("/"), order.pk).startswith(
        "http://testserver/elevate/seats/"
    )
    with pytest.MonkeyPatch.context() as patch:
        later = timezone.now() + timedelta(days=61)
        patch.setattr("django.core.signing.time.time", later.timestamp)
        assert seats.read_link(ticket) == Link(str(order.pk), expired=True)


def test_a_link_that_we_did_not_sign_for_this_is_none():
    assert seats.read_link("1:abc:def") is None
    assert seats.read_link(signing.dumps("1")) is None
    assert seats.read_link(signing.dumps("1", salt="elevate_integration.members.tickets")) is None


def test_the_buyer_is_whom_the_order_names_and_no_learner_or_visitor(order, django_user_model):
    from django.contrib.auth.models import AnonymousUser

    ada = django_user_model.objects.create_user("ada@example.org", "x")
    ben = django_user_model.objects.create_user("ben@example.org", "x")
    GroupSource.accounts = {"ada@example.org": Learner("M-1"), "ben@example.org": Learner("")}
    assert seats.is_buyer(ada, str(order.pk))
    assert not seats.is_buyer(ben, str(order.pk))
    assert not seats.is_buyer(AnonymousUser(), str(order.pk))
    GroupSource.buyers = {str(order.pk): Learner("")}
    assert not seats.is_buyer(ben, str(order.pk))
    assert not seats.is_buyer(ada, "0")


def test_a_buyer_is_told_of_orders_with_seats_to_name_and_a_learner_is_not(order, deliver, django_user_model):
    ada = django_user_model.objects.create_user("ada@example.org", "x")
    ben = django_user_model.objects.create_user("ben@example.org", "x")
    GroupSource.accounts = {"ada@example.org": Learner("M-1"), "ben@example.org": BEN}
    assert seats.orders_to_name(ada) == ()
    name(order)
    deliver()
    assert seats.orders_to_name(ada) == (str(order.pk),)
    assert seats.orders_to_name(ben) == ()
    name_seats(str(order.pk), {keys(order)[1]: Name("Eve", "", "eve@example.org")}, by="")
    deliver()
    assert seats.orders_to_name(ada) == ()
