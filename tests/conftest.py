"""Fixtures for the whole suite: a fake Elevate over HTTP, the plain shop as host, and delivery on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from elevate_integration import receivers
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import ProductMapping
from elevate_integration.testing import FakeElevate
from tests.plainshop.models import Invoice, Item
from tests.plainshop.seats import GroupSource
from tests.plainshop.source import PlainSource

# What Django writes after each migration, and would write again after each test.
_KEPT = frozenset({"django_content_type", "auth_permission"})


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> Iterator[None]:
    """Empty the tables after a test without what takes longest: permissions made anew, and sixty tables truncated."""
    ops = type(connection.ops)
    flush = ops.sql_flush

    def sql_flush(self: Any, style: Any, tables: Collection[str], **options: Any) -> list[str]:
        tables = sorted(set(tables) - _KEPT)
        if connection.vendor != "postgresql":
            return flush(self, style, tables, **options)
        # In one statement; foreign keys are looked at when it is committed.
        delete = style.SQL_KEYWORD("DELETE FROM")
        return ["; ".join(f"{delete} {self.quote_name(table)}" for table in tables)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "sql_flush", sql_flush)
        patch.setattr("django.core.management.commands.flush.emit_post_migrate_signal", lambda *_, **__: None)
        yield


@pytest.fixture
def elevate(settings: Any) -> Iterator[FakeElevate]:
    """A fake Elevate that the settings point to. It sells ABCD1234 and LAW5678."""
    with FakeElevate(api_key="test-key", products=("ABCD1234", "LAW5678")) as fake:
        settings.ELEVATE = {**settings.ELEVATE, "URL": fake.url, "RETRY_FIRST": 0.0, "RETRY_CEILING": 0.0}
        yield fake


@pytest.fixture
def plainshop(settings: Any, elevate: FakeElevate) -> Iterator[type[PlainSource]]:
    """The plain shop as the host, its two courses mapped."""
    settings.ELEVATE = {**settings.ELEVATE, "ORDER_SOURCE": "tests.plainshop.source.PlainSource"}
    receivers.connect()
    PlainSource.broken, PlainSource.amounts, PlainSource.snapshots_taken = None, {}, 0
    ProductMapping.objects.create(
        product_key="course:ETHICS", product_title="Ethics", remote_product_id="ABCD1234"
    )
    ProductMapping.objects.create(product_key="course:LAW", product_title="Law", remote_product_id="LAW5678")
    yield PlainSource
    receivers.disconnect()


@pytest.fixture
def groupshop(plainshop: type[PlainSource], settings: Any) -> type[GroupSource]:
    """The plain shop with accounts of members, where one person buys for several."""
    settings.ELEVATE = {**settings.ELEVATE, "ORDER_SOURCE": "tests.plainshop.seats.GroupSource"}
    GroupSource.accounts, GroupSource.buyers, GroupSource.lookups = {}, {}, 0
    return GroupSource


@pytest.fixture
def sell(plainshop: type[PlainSource]) -> Callable[..., Invoice]:
    """Write an invoice with one item for each course, as the plain shop does: item by item, after the invoice."""

    def make(*courses: str, state: str = "paid", **person: Any) -> Invoice:
        invoice = Invoice.objects.create(state=state, issued=timezone.now())
        learner = {"person_id": "M-1", "first_name": "Ada", "last_name": "Sample", "email": "ada@example.org"}
        for course in courses or ("ETHICS",):
            Item.objects.create(invoice=invoice, course=course, price="120.00", **{**learner, **person})
        return invoice

    return make


@pytest.fixture
def deliver(elevate: FakeElevate) -> Callable[[], int]:
    """Deliver everything that is due, and what falls due by it. Gives the number of calls made."""

    def run() -> int:
        return Worker(threads=4).run_once(sweeping=False)

    return run
