"""The order's own row: what whoever locks it is told, and what becomes of who comes too late."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from elevate_integration.locking import Locked, lock
from elevate_integration.models import OrderMark, TrackedOrder, UnmappedSale
from tests.rows import make_mapping, make_row
from tests.threads import LONG, beside

pytestmark = pytest.mark.django_db(transaction=True)


def locked(ref: str, **how: Any) -> Locked | None:
    with transaction.atomic():
        return lock(ref, "default", **how)


def mark(ref: str) -> OrderMark:
    return OrderMark.objects.create(order_ref=ref, due_at=timezone.now() - timedelta(seconds=1))


@pytest.fixture(params=["as it is", "without RETURNING"])
def database(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL gives nothing back from an INSERT, and the same must be known of the order there."""
    # PostgreSQL is asked with a statement of its own.
    if request.param == "without RETURNING" and connection.vendor != "postgresql":
        monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)


def test_the_row_of_an_order_is_made_once_and_told_apart_from_one_that_was_there(database):
    first = locked("1")
    assert (first.has_rows, first.has_sales, first.in_trouble) == (False, False, False)
    assert abs(first.now - timezone.now()) < timedelta(minutes=1)
    again = locked("1")
    assert (again.has_rows, again.has_sales) == (True, True) or connection.vendor == "postgresql"
    assert TrackedOrder.objects.get().order_ref == "1"


def test_an_order_whose_row_is_gone_still_has_what_hangs_on_it(database):
    row = make_row(make_mapping())
    UnmappedSale.objects.create(order_ref="2", seat_key="item:1", product_keys="course:BOOK")
    found = locked(row.order_ref)
    assert (found.has_rows, found.has_sales) == (True, False)
    found = locked("2")
    assert (found.has_rows, found.has_sales) == (False, True)


def test_the_marks_that_are_answered_go_with_the_lock_and_no_others():
    mine, other = mark("1"), mark("2")
    OrderMark.objects.create(order_ref="1", due_at=timezone.now() + timedelta(hours=1))
    assert locked("1", marks=None).marks == 1
    assert locked("2", marks=[other.pk, mine.pk]).marks == 1
    assert OrderMark.objects.get().order_ref == "1"


def test_without_a_mark_an_order_is_left_alone_where_that_is_asked_for():
    assert locked("1", skip=True, marks=None) is None
    assert not TrackedOrder.objects.exists()
    mark("1")
    assert locked("1", skip=True, marks=None).marks == 1


def test_an_order_that_another_process_holds_is_left_alone_where_that_is_asked_for():
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database cannot leave out what is held")
    assert locked("1") is not None
    held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            assert lock("1", "default") is not None
            held.set()
            assert may_end.wait(LONG)

    mark("1")
    with beside(hold, stop=may_end.set):
        assert held.wait(LONG)
        assert locked("1", skip=True, marks=None) is None
    assert OrderMark.objects.exists(), "nobody has answered the mark"
    assert locked("1", skip=True, marks=None).marks == 1
