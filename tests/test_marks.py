"""What a host's save costs, and that a mark is exactly as durable as the save."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.db.models import Model
from django.utils import timezone

from elevate_integration import marks
from elevate_integration.delivery import queue
from elevate_integration.marks import order_changed
from elevate_integration.models import OrderMark, Registration
from elevate_integration.wake import set_wake
from tests.plainshop.models import Invoice, Item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wakes():
    """How often delivery was woken, and whether a transaction was open then."""
    seen: list[bool] = []
    set_wake(lambda _: seen.append(connection.in_atomic_block))
    yield seen
    set_wake(None)


def refs() -> list[str]:
    return list(OrderMark.objects.order_by("pk").values_list("order_ref", flat=True))


def test_a_mark_is_one_insert(plainshop, django_assert_num_queries):
    server_side = connection.settings_dict["OPTIONS"].get("server_side_binding")
    at_once = connection.vendor == "postgresql" and not server_side
    with transaction.atomic(), django_assert_num_queries(1 if at_once else 3) as asked:
        order_changed(1)
    statements = "; ".join(query["sql"] for query in asked.captured_queries).split("; ")
    assert [statement.split()[0] for statement in statements] == ["SAVEPOINT", "INSERT", "RELEASE"]


def test_an_order_with_fifty_lines_is_marked_once_in_its_transaction(plainshop):
    with transaction.atomic():
        invoice = Invoice.objects.create(state="paid", issued=timezone.now())
        for _ in range(50):
            Item.objects.create(invoice=invoice, course="ETHICS")
    assert refs() == [str(invoice.pk)]


def test_two_orders_in_one_transaction_are_both_marked(plainshop):
    with transaction.atomic():
        for ref in ("1", "2", "1", "2"):
            order_changed(ref)
    assert refs() == ["1", "2"]


def test_a_rolled_back_order_leaves_no_mark_and_a_later_save_leaves_one(sell, deliver, elevate):
    def fail_after_selling():
        with transaction.atomic():
            sell()
            raise RuntimeError("the payment failed")

    with pytest.raises(RuntimeError):
        fail_after_selling()
    assert not refs()
    deliver()
    assert not Registration.objects.exists()
    with transaction.atomic():
        invoice = sell()
    assert refs() == [str(invoice.pk)]
    deliver()
    assert len(elevate.calls) == 1


def test_a_rolled_back_savepoint_takes_its_mark_along_and_a_later_save_marks_again(plainshop):
    def fail():
        with transaction.atomic():
            order_changed("77")
            raise RuntimeError

    with transaction.atomic():
        with pytest.raises(RuntimeError):
            fail()
        order_changed("77")
    assert refs() == ["77"]


def test_delivery_is_woken_once_and_after_the_commit(plainshop, wakes):
    with transaction.atomic():
        for _ in range(5):
            order_changed("1")
        assert not wakes
    assert wakes == [False]


def test_a_rolled_back_order_wakes_nobody(plainshop, wakes):
    def fail():
        with transaction.atomic():
            order_changed("1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not wakes


def test_a_wake_names_the_order_unless_its_mark_waits_for_a_quiet_while(plainshop):
    told: list[str] = []
    set_wake(told.append)
    try:
        with transaction.atomic():
            order_changed("1")
            order_changed("2")
        order_changed("3")
    finally:
        set_wake(None)
    assert told == ["1", "2", ""]


def test_a_wake_that_raises_does_not_reach_the_host(plainshop, caplog):
    def broken(order_ref):
        raise RuntimeError("no thread left")

    set_wake(broken)
    try:
        with transaction.atomic():
            order_changed("1")
        order_changed("2")
    finally:
        set_wake(None)
    assert refs() == ["1", "2"]
    assert caplog.text.count("could not be woken") == 2


@pytest.mark.parametrize("error", [DatabaseError("away"), IntegrityError("bug"), RuntimeError("bug")])
def test_a_mark_that_fails_lets_the_checkout_through_and_names_the_order(
    plainshop, monkeypatch, caplog, error
):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(marks, "_insertion", fail)
    with transaction.atomic():
        invoice = Invoice.objects.create(state="paid", issued=timezone.now())
        order_changed(4711)
    assert Invoice.objects.filter(pk=invoice.pk).exists()
    assert "Order 4711 could not be marked" in caplog.text


@pytest.mark.parametrize("atomic", [True, False])
def test_a_missing_table_lets_the_checkout_through(plainshop, monkeypatch, caplog, atomic):
    monkeypatch.setattr(OrderMark._meta, "db_table", "no_such_table")
    if atomic:
        with transaction.atomic():
            invoice = Invoice.objects.create(state="paid", issued=timezone.now())
    else:
        invoice = Invoice.objects.create(state="paid", issued=timezone.now())
    assert Invoice.objects.filter(pk=invoice.pk).exists()
    assert f"Order {invoice.pk} could not be marked" in caplog.text


class OursIsAway:
    """Keeps our tables in a database that nobody can reach."""

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return "away" if model._meta.app_label == "elevate_integration" else None


def test_a_database_of_our_own_that_is_away_lets_the_checkout_through(plainshop, settings, caplog, wakes):
    settings.DATABASE_ROUTERS = ["tests.test_marks.OursIsAway"]
    with transaction.atomic():
        invoice = Invoice.objects.create(state="paid", issued=timezone.now())
        assert "could not be marked" not in caplog.text
    assert Invoice.objects.filter(pk=invoice.pk).exists()
    assert f"Order {invoice.pk} could not be marked" in caplog.text
    assert not wakes


def test_an_order_reference_that_no_column_takes_lets_the_checkout_through(plainshop, caplog):
    caplog.set_level(logging.CRITICAL)
    with transaction.atomic():
        invoice = Invoice.objects.create(state="paid", issued=timezone.now())
        order_changed("x" * 200 + "\ud800")
    assert Invoice.objects.filter(pk=invoice.pk).exists()


def test_an_order_reference_with_a_percent_sign_is_kept_to_the_letter(plainshop):
    order_changed("50%s off' -- \U0001f600")
    assert refs() == ["50%s off' -- \U0001f600"]


def test_outside_a_transaction_an_order_is_read_only_after_a_quiet_while(plainshop, settings):
    settings.ELEVATE = {**settings.ELEVATE, "QUIET_TIME": 100.0}
    order_changed("1")
    assert list(queue.due_orders(10)) == []
    OrderMark.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert list(queue.due_orders(10)) == ["1"]
    order_changed("1")
    assert list(queue.due_orders(10)) == [], "a newer mark prolongs the quiet while"
    OrderMark.objects.filter(due_at__lt=timezone.now()).update(due_at=timezone.now() - timedelta(seconds=60))
    assert list(queue.due_orders(10)) == ["1"], "but not for ever"


def test_the_order_that_waits_longest_is_read_first(plainshop):
    for age, ref in ((1, "young"), (9, "old"), (5, "middle"), (2, "old")):
        OrderMark.objects.create(order_ref=ref, due_at=timezone.now() - timedelta(seconds=age))
    assert list(queue.due_orders(10)) == ["old", "middle", "young"]
    assert list(queue.due_orders(1)) == ["old"]


def test_a_mark_of_another_thread_is_no_memo_for_this_one(plainshop):
    def other():
        order_changed("1")
        connections.close_all()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    with transaction.atomic():
        order_changed("1")
    assert refs() == ["1", "1"]
