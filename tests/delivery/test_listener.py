"""A worker process hears of a commit elsewhere: LISTEN/NOTIFY on PostgreSQL, nothing at all on other databases."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from elevate_integration.delivery import listener
from elevate_integration.delivery.listener import ListeningInbox
from elevate_integration.delivery.worker import Worker
from tests.faults.count import wait_until
from tests.postgresql import only_postgresql
from tests.threads import beside

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN = 10.0


@pytest.fixture
def inbox() -> Iterator[ListeningInbox]:
    inbox = ListeningInbox()
    yield inbox
    inbox.close()


@pytest.fixture
def listening(inbox) -> ListeningInbox:
    assert inbox.get(timeout=WITHIN) == "", "told once at the start, for what was committed before"
    assert inbox.listening
    return inbox


def heard(inbox: ListeningInbox, seconds: float = 0.2) -> list[str]:
    """Everything that comes in, until nothing has come for so long."""
    found = []
    with suppress(Empty):
        while True:
            found.append(inbox.get(timeout=seconds))
    return found


def heard_at_once(inbox: ListeningInbox) -> str:
    """What comes in for somebody who only looks."""
    found: list[str] = []

    def look() -> bool:
        with suppress(Empty):
            found.append(inbox.get_nowait())
        return bool(found)

    wait_until(look, what="a notification is there")
    return found[0]


@only_postgresql
def test_a_notification_is_heard(listening):
    listener.notify()
    assert listening.get(timeout=WITHIN) == ""


@only_postgresql
def test_a_notification_is_heard_by_who_does_not_wait(listening):
    listener.notify("7")
    assert heard_at_once(listening) == "7"


@pytest.fixture
def bound_by_the_server(monkeypatch):
    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "server_side_binding", True)
    yield
    connection.close()


STRANGE = "O'Brien \\' 50 %s; --"


@only_postgresql
def test_a_notification_tells_an_order_whatever_its_reference_holds(listening):
    listener.notify(STRANGE)
    assert listening.get(timeout=WITHIN) == STRANGE


@only_postgresql
def test_a_notification_is_sent_where_the_server_binds_parameters(listening, bound_by_the_server):
    listener.notify(STRANGE)
    assert listening.get(timeout=WITHIN) == STRANGE


@only_postgresql
def test_a_notification_tells_each_order_once(listening):
    with transaction.atomic():
        for order_ref in ("7", "Bestellung/8 «Jörg»", "7"):
            listener.notify(order_ref)
    assert sorted(heard(listening)) == ["7", "Bestellung/8 «Jörg»"]


@only_postgresql
def test_a_notification_in_a_transaction_is_heard_only_after_its_commit(listening):
    with transaction.atomic():
        listener.notify("7")
        assert heard(listening) == []
    assert listening.get(timeout=WITHIN) == "7"


@only_postgresql
def test_listening_goes_on_after_the_server_cut_the_connection(listening, monkeypatch, caplog):
    monkeypatch.setattr(listener, "_WAIT_AFTER_FAILURE", 0.0)
    cut_off()
    assert listening.get(timeout=WITHIN) == "", "it tells that it had to connect again"
    assert "Listening for notifications broke off" in caplog.text
    listener.notify("7")
    assert listening.get(timeout=WITHIN) == "7"


def cut_off() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' "
            "AND datname = current_database()"
        )
        assert cursor.rowcount


@only_postgresql
def test_while_the_database_cannot_be_heard_what_is_put_in_comes_out_all_the_same(listening, monkeypatch):
    monkeypatch.setattr(listener, "_WAIT_AFTER_FAILURE", 1000.0)
    cut_off()
    assert heard(listening) == []
    assert not listening.listening
    with beside(lambda: listening.put("by hand")):
        assert listening.get(timeout=WITHIN) == "by hand"
    listening.put("at once")
    assert listening.get_nowait() == "at once"


@only_postgresql
def test_who_puts_something_in_wakes_who_waits(listening):
    asleep = listening._selector.select
    sleeping = threading.Event()

    def put_once_it_sleeps() -> None:
        assert sleeping.wait(WITHIN)
        listening.put("by hand")

    def select(seconds: float) -> Any:
        sleeping.set()
        return asleep(seconds)

    listening._selector.select = select
    with beside(put_once_it_sleeps):
        assert listening.get() == "by hand"


@only_postgresql
def test_a_bell_that_was_rung_too_often_is_heard(listening):
    listening._asleep = True
    for number in range(70_000):
        listening.put(number)
    assert [listening.get(timeout=WITHIN) for _ in range(70_000)] == list(range(70_000))
    with pytest.raises(Empty):
        listening.get(timeout=0.01)


@only_postgresql
def test_a_short_wait_gives_what_is_there_and_looks_no_further(listening):
    listening.put("by hand")
    assert listening.get(timeout=0.001) == "by hand"
    with pytest.raises(Empty):
        listening.get(timeout=0.001)


@only_postgresql
def test_a_worker_that_rests_delivers_what_the_database_tells_of(sell, elevate):
    inbox = ListeningInbox()
    delivered = threading.Semaphore(0)
    # By itself it would look again long after the test.
    worker = Worker(poll=1000.0, inbox=inbox, heard=lambda result: delivered.release())

    sell()
    with beside(worker.run, stop=worker.stop):
        assert delivered.acquire(timeout=WITHIN)
        wait_until(lambda: worker._resting, what="the worker rests")
        invoice = sell(person_id="M-2", email="ben@example.org")
        listener.notify(str(invoice.pk))
        assert delivered.acquire(timeout=WITHIN)


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
    monkeypatch.setattr(listener, "_notified", lambda raw, seconds: [])
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


def test_the_older_driver_is_understood_as_well():
    here, there = socket.socketpair()
    with here, there:
        driver = OldDriver(here)
        assert listener._notified(driver, 0.01) == []
        there.sendall(b"7 8")
        assert listener._notified(driver, 0.01) == ["7", "8"]
        assert listener._notified(driver, 0.01) == []


def test_where_the_database_cannot_notify_nothing_is_asked():
    if connection.vendor == "postgresql":
        assert listener.can_listen()
        return
    assert not listener.can_listen()
    with CaptureQueriesContext(connection) as queries:
        listener.notify()
    assert not len(queries)
