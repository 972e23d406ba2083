"""A worker process hears of a commit elsewhere: LISTEN/NOTIFY on PostgreSQL, nothing at all on other databases."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from elevate_integration.delivery import listener
from elevate_integration.delivery.listener import Listener
from tests.postgresql import only_postgresql

pytestmark = pytest.mark.django_db(transaction=True)

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


@only_postgresql
def test_a_notification_is_heard(ear):
    listener.notify()
    assert ear.hears()


@only_postgresql
def test_a_notification_tells_each_order_once(ear):
    with transaction.atomic():
        for order_ref in ("7", "Bestellung/8 «Jörg»", "7"):
            listener.notify(order_ref)
    assert ear.hears()
    assert ear.hears()
    assert sorted(ear.told) == ["", "7", "Bestellung/8 «Jörg»"]
    assert not ear.hears(0.1)


@only_postgresql
def test_a_notification_in_a_transaction_is_heard_only_after_its_commit(ear):
    with transaction.atomic():
        listener.notify()
        assert not ear.hears(0.2)
    assert ear.hears()


@only_postgresql
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


@only_postgresql
def test_a_notification_that_the_database_refuses_is_logged_and_raises_nothing(caplog):
    # PostgreSQL takes at most 8000 bytes.
    listener.notify("x" * 9000)
    assert "The worker could not be notified" in caplog.text
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@only_postgresql
def test_whether_a_notification_arrives_is_told(monkeypatch):
    assert listener.hears(WITHIN)
    monkeypatch.setattr(listener, "_notified", lambda raw: [])
    assert not listener.hears(0.01), "as behind a pooler that forgets who listens"


class OldDriver:
    """What psycopg2 gives in place of a connection's `notifies()`: a list, filled by `poll`."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.notifies: list[SimpleNamespace] = []

    def fileno(self) -> int:
        return self._end.fileno()

    def poll(self) -> None:
        self.notifies += [SimpleNamespace(payload=told) for told in self._end.recv(100).decode().split()]


def test_the_older_driver_is_understood_as_well(monkeypatch):
    monkeypatch.setattr(listener, "_LOOK_AT_STOP", 0.01)
    here, there = socket.socketpair()
    with here, there:
        driver = OldDriver(here)
        assert listener._notified(driver) == []
        there.sendall(b"7 8")
        assert listener._notified(driver) == ["7", "8"]
        assert listener._notified(driver) == []


def test_where_the_database_cannot_notify_nothing_is_asked():
    if connection.vendor == "postgresql":
        assert listener.can_listen()
        return
    assert not listener.can_listen()
    with CaptureQueriesContext(connection) as queries:
        listener.notify()
    assert not len(queries)
