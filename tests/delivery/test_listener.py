"""A worker process hears of a commit elsewhere: LISTEN/NOTIFY on PostgreSQL, nothing at all on other databases."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from elevate_integration.delivery import listener
from elevate_integration.delivery.listener import Listener

pytestmark = pytest.mark.django_db(transaction=True)

needs_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="only PostgreSQL has LISTEN/NOTIFY"
)
WITHIN = 10.0


class Ear:
    """Counts what it hears, and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.heard = threading.Semaphore(0)
        self.told: list[str] = []

    def __call__(self, order_ref: str) -> None:
        self.told.append(order_ref)
        self.heard.release()

    def hears(self, seconds: float = WITHIN) -> bool:
        return self.heard.acquire(timeout=seconds)


@pytest.fixture
def ear() -> Any:
    ear = Ear()
    listening = Listener(ear)
    listening.start()
    assert listening.listening.wait(WITHIN)
    # Once at the start, for what was committed before.
    assert ear.hears()
    yield ear
    listening.stop()


@needs_postgresql
def test_a_notification_is_heard(ear):
    listener.notify()
    assert ear.hears()


@needs_postgresql
def test_a_notification_tells_each_order_once(ear):
    with transaction.atomic():
        for order_ref in ("7", "Bestellung/8 «Jörg»", "7"):
            listener.notify(order_ref)
    assert ear.hears()
    assert ear.hears()
    assert sorted(ear.told) == ["", "7", "Bestellung/8 «Jörg»"]
    assert not ear.hears(0.1)


@needs_postgresql
def test_a_notification_in_a_transaction_is_heard_only_after_its_commit(ear):
    with transaction.atomic():
        listener.notify()
        assert not ear.hears(0.2)
    assert ear.hears()


@needs_postgresql
def test_listening_goes_on_after_the_server_cut_the_connection(ear, monkeypatch):
    monkeypatch.setattr(listener, "_WAIT_AFTER_FAILURE", 0.0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' "
            "AND datname = current_database()"
        )
        assert cursor.rowcount
    assert ear.hears(), "it hears itself connect again"
    listener.notify()
    assert ear.hears()


def test_where_the_database_cannot_notify_nothing_is_asked():
    if connection.vendor == "postgresql":
        assert listener.can_listen()
        return
    assert not listener.can_listen()
    with CaptureQueriesContext(connection) as queries:
        listener.notify()
    assert not len(queries)
