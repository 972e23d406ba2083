"""`FieldOrderSource`: two shops described by paths keep the contract, and a typo is an error at deployment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils import timezone

from elevate_integration import receivers
from elevate_integration.checks import check_settings
from elevate_integration.conf import order_source
from elevate_integration.orders.description import OrderFields
from elevate_integration.orders.fields import FieldOrderSource
from example_project.members.models import Member
from example_project.store.models import Order, OrderLine
from tests.example_project.test_contract import TestStore as _Store
from tests.plainshop.contract import PlainShopContract
from tests.plainshop.models import Invoice, Item

SOURCE = "elevate_integration.orders.fields.FieldOrderSource"

STORE: dict[str, Any] = {
    "ORDER": "store.Order",
    "LINES": "lines",
    "STATUS": "status",
    "PAID": ["paid"],
    "PLACED_AT": ["placed_at", "created_at"],
    "CHANGED_AT": "updated_at",
    "PRODUCT_KEYS": ["sku", "product.pk"],
    "TITLE": ["title", "product.title"],
    "QUANTITY": "quantity",
    "AMOUNT": "amount",
    "LINE_DEAD_IF": ["refunded_at"],
    "BUYER": {"USER": "member"},
    "WATCH": {"store.Payment": "order", "store.LineAttendee": "order"},
}
PLAIN: dict[str, Any] = {
    "ORDER": "plainshop.Invoice",
    "LINES": "items",
    "STATUS": "state",
    "PAID": ["paid"],
    "PLACED_AT": "issued",
    "CHANGED_AT": "touched",
    "PRODUCT_KEYS": "course",
    "UNIT_AMOUNT": "price",
    "LINE_STATUS": "refunded",
    "LINE_DEAD": [True],
    "LEARNER": {
        "REMOTE_USER_ID": "person_id",
        "FIRST_NAME": "first_name",
        "LAST_NAME": "last_name",
        "EMAIL": "email",
    },
}


class _Described:
    """Puts the description of a shop into the settings for one test class."""

    described: ClassVar[dict[str, Any]]
    _changed: ClassVar[Any]

    @classmethod
    def setUpClass(cls) -> None:
        cls._changed = override_settings(
            ELEVATE={**django_settings.ELEVATE, "ORDER_FIELDS": cls.described, "ORDER_SOURCE": SOURCE}
        )
        cls._changed.enable()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls._changed.disable()
        receivers.disconnect()


class TestStoreByPaths(_Described, _Store):
    """The example store, whose named places only its own source reads."""

    described = STORE
    source_path = SOURCE

    def place_order_for(self, buyer: Any, learner: Any, product: Any) -> Any:
        self.not_offered("A place by its number in another table is not reached by a path.")


del _Store


class TestPlainShopByPaths(_Described, PlainShopContract):
    """The plain shop: learners are columns of the line, and nobody has an account."""

    described = PLAIN
    source_path = SOURCE


@pytest.fixture
def describe(settings: Any) -> Iterator[Any]:
    def use(base: dict[str, Any], **changes: Any) -> FieldOrderSource:
        described = {key: value for key, value in {**base, **changes}.items() if value is not None}
        settings.ELEVATE = {**settings.ELEVATE, "ORDER_SOURCE": SOURCE, "ORDER_FIELDS": described}
        return order_source()

    yield use
    receivers.disconnect()


def found_by_check() -> list[tuple[str, str]]:
    return [
        (one.id, one.msg.removeprefix("ELEVATE['ORDER_FIELDS']: "))
        for one in check_settings(None)
        if one.id in ("elevate.E008", "elevate.E021", "elevate.E009", "elevate.E010")
    ]


@pytest.mark.parametrize("shop", [STORE, PLAIN])
def test_a_description_without_a_mistake_passes_the_check(describe, shop):
    describe(shop)
    assert found_by_check() == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ORDER": "store.Ordr"}, "ORDER names the model 'store.Ordr', which there is not. Did you mean 'store.Order'?"),
        (
            {"LINES": "line"},
            "LINES names 'line', and store.Order reaches no rows by that name. Did you mean 'lines'?",
        ),
        ({"STATUS": "statsu"}, "STATUS has the path 'statsu': store.Order has no 'statsu'. Did you mean 'status'?"),
        (
            {"BUYER": {"EMAIL": "member.emial"}},
            "BUYER.EMAIL has the path 'member.emial': members.Member has no 'emial'. Did you mean 'email'?",
        ),
        (
            {"PRODUCT_KEYS": ["sku", "product.skuu"]},
            "PRODUCT_KEYS has the path 'product.skuu': store.Product has no 'skuu'. Did you mean 'sku'?",
        ),
        (
            {"LEARNER": {"EMAIL": "order.membr.email"}},
            "LEARNER.EMAIL has the path 'order.membr.email': store.Order has no 'membr'. Did you mean 'member'?",
        ),
        ({"AMOUNT": "amount.cents"}, "AMOUNT has the path 'amount.cents': 'amount' of store.OrderLine is a plain field, and nothing can follow it."),
        ({"TITLE": "attendees"}, "TITLE has the path 'attendees': 'attendees' of store.OrderLine holds many rows, and one is needed."),
        ({"BUYER": {"USER": "status"}}, "BUYER.USER has the path 'status': 'status' of store.Order is a plain field, and a user is needed."),
        ({"CHANGED_AT": "member"}, "CHANGED_AT has the path 'member': 'member' of store.Order is a relation, and a time is needed."),
        (
            {"WATCH": {"store.Payment": "ordr"}},
            "WATCH names 'ordr', and store.Payment has no foreign key to store.Order of that name; a longer path would "
            "ask the database inside the checkout. Did you mean 'order'?",
        ),
    ],
)  # fmt: skip
def test_a_typo_is_an_error_that_names_path_model_and_nearest_name(describe, changes, text):
    describe(STORE, **changes)
    assert found_by_check() == [("elevate.E021", text)]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"LINE": "lines"}, "has an unknown key 'LINE'. Did you mean 'LINES'?"),
        ({"ORDER": None}, "needs the key 'ORDER'"),
        ({"PAID": None}, "nothing says when an order is paid"),
        ({"STATUS": None}, "has 'PAID' and no 'STATUS'"),
        ({"PAID": "paid"}, "'PAID' that is no list of values"),
        ({"QUANTITY": 3}, "'QUANTITY' that is no text"),
        ({"TITLE": 3}, "'TITLE' that is neither a path nor a list of paths"),
        ({"BUYER": "member"}, "'BUYER' that is no dict"),
        ({"BUYER": {"MAIL": "member.email"}}, "unknown key 'MAIL' in 'BUYER'. Did you mean 'EMAIL'?"),
        ({"WATCH": ["store.Payment"]}, "'WATCH' that is no dict"),
    ],
)
def test_a_description_that_cannot_be_read_is_an_error(changes, text):
    described = {key: value for key, value in {**STORE, **changes}.items() if value is not None}
    with pytest.raises(ImproperlyConfigured) as caught:
        OrderFields.read(described)
    assert text in str(caught.value)


@pytest.mark.django_db
def test_many_orders_are_read_with_two_queries(describe, django_assert_num_queries):
    source = describe(STORE, LEARNER={"EMAIL": "order.member.email"})
    member = Member.objects.create_user("ada@example.org")
    orders = [Order.objects.create(member=member, status="paid", placed_at=timezone.now()) for _ in range(5)]
    for order in orders:
        for number in range(3):
            OrderLine.objects.create(order=order, sku=f"A{number}", price=1, amount=1)
    with django_assert_num_queries(2):
        found = source.snapshots([str(order.pk) for order in orders])
    assert [len(snapshot.seats) for snapshot in found.values()] == [3] * 5
    assert {seat.learner.email for one in found.values() for seat in one.seats} == {"ada@example.org"}


@pytest.mark.django_db
def test_the_parts_of_an_amount_add_up_to_it(describe):
    source = describe(STORE)
    order = Order.objects.create(member=Member.objects.create_user("ada@example.org"), status="paid")
    OrderLine.objects.create(order=order, sku="A", price=1, quantity=3, amount="100.00")
    amounts = [seat.amount_paid for seat in source.snapshot(str(order.pk)).seats]
    assert amounts == [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]


@pytest.mark.django_db
@pytest.mark.parametrize("ref", ["", "no", "007", "9" * 30, "-1", " 1", "1\x00"])
def test_what_is_no_reference_is_no_order(describe, ref):
    source = describe(PLAIN)
    Invoice.objects.create(pk=7, issued=timezone.now())
    assert source.snapshot(ref) is None
    assert source.placed_at(ref) is None


@pytest.mark.django_db
def test_an_order_without_lines_is_one_place(describe):
    source = describe(
        PLAIN, ORDER="plainshop.Item", LINES=None, STATUS="invoice.state", PLACED_AT="invoice.issued",
        CHANGED_AT="invoice.touched", DEAD_IF=["refunded"], LINE_STATUS=None, LINE_DEAD=None,
    )  # fmt: skip
    invoice = Invoice.objects.create(state="paid", issued=timezone.now())
    item = Item.objects.create(invoice=invoice, course="ETHICS", price="1.00", email="ada@example.org")
    (seat,) = source.snapshot(str(item.pk)).seats
    assert (seat.key, seat.active, seat.product_keys) == (f"line:{item.pk}:1", True, ("ETHICS",))
    assert list(source.recent(invoice.touched)) == [str(item.pk)]
    Item.objects.update(refunded=True)
    assert not source.snapshot(str(item.pk)).seats[0].active


@pytest.mark.django_db
def test_paid_at_and_dead_values_decide_where_the_status_does_not(describe):
    source = describe(STORE, PAID=None, PAID_AT="placed_at", DEAD=["refunded"], DEAD_IF=None)
    order = Order.objects.create(member=Member.objects.create_user("ada@example.org"), status="paid")
    OrderLine.objects.create(order=order, sku="A", price=1)
    states = []
    for status, placed in (("paid", None), ("paid", timezone.now()), ("refunded", timezone.now())):
        Order.objects.filter(pk=order.pk).update(status=status, placed_at=placed)
        states.append(source.snapshot(str(order.pk)).seats[0].active)
    assert states == [False, True, False]


@pytest.mark.django_db
def test_the_picker_offers_what_was_sold(describe):
    source = describe(PLAIN)
    invoice = Invoice.objects.create(issued=timezone.now())
    for course in ("ETHICS", "LAW", "ETHICS"):
        Item.objects.create(invoice=invoice, course=course)
    assert [one.key for one in source.products()] == ["ETHICS", "LAW"]
    assert [one.key for one in source.products("law")] == ["LAW"]


@pytest.mark.django_db
def test_an_order_that_was_placed_on_a_day_counts_from_its_midnight(describe, monkeypatch):
    monkeypatch.setattr(Invoice, "day", property(lambda self: self.issued.date()), raising=False)
    source = describe(PLAIN, PLACED_AT="day")
    invoice = Invoice.objects.create(issued=datetime(2026, 3, 1, 15, 30, tzinfo=UTC))
    placed = source.placed_at(str(invoice.pk))
    assert placed.utcoffset() is not None
    assert timezone.localtime(placed).replace(tzinfo=None) == datetime(2026, 3, 1)  # noqa: DTZ001


@pytest.mark.django_db
def test_an_order_is_linked_to_where_the_shop_has_it_in_its_admin(describe):
    assert describe(STORE).order_url("7") == "/admin/store/order/7/change/"
    assert describe(PLAIN).order_url("7") == ""


@pytest.mark.django_db
def test_a_row_that_is_not_there_at_the_end_of_a_path_is_read_as_nothing(describe, monkeypatch):
    def badge(item: Item) -> str:
        raise Member.DoesNotExist

    monkeypatch.setattr(Item, "badge", property(badge), raising=False)
    source = describe(PLAIN, LEARNER={"REMOTE_USER_ID": ["badge", "person_id"], "EMAIL": "email"})
    invoice = Invoice.objects.create(state="paid", issued=timezone.now())
    Item.objects.create(invoice=invoice, course="ETHICS", person_id="M-1", email="ada@example.org")
    (seat,) = source.snapshot(str(invoice.pk)).seats
    assert seat.learner.remote_user_id == "M-1"
