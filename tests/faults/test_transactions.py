"""Deadlocks, serialization failures and locked databases, made for real: what is run again, and what is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from elevate_integration import retrying, staff
from elevate_integration.delivery import queue, settling
from elevate_integration.delivery.outcomes import Result
from elevate_integration.lifecycle import Outcome
from elevate_integration.models import DeliveryState, Registration
from elevate_integration.retrying import TRIES, given_up, retried
from elevate_integration.staff import rows as acts
from tests.threads import beside

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 30

on_postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="needs PostgreSQL: set TEST_DATABASE_URL"
)
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite locks the whole database")


class GivenUp(Exception):  # noqa: N818 - what a driver raises
    """A driver's error with an SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def failure(*args: Any, sqlstate: str = "") -> OperationalError:
    error = OperationalError(*args)
    if sqlstate:
        error.__cause__ = GivenUp(sqlstate)
    return error


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(retrying.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (failure("deadlock detected", sqlstate="40P01"), True),
        (failure("could not serialize access", sqlstate="40001"), True),
        (failure(1213, "Deadlock found when trying to get lock"), True),
        (failure(1205, "Lock wait timeout exceeded"), True),
        (failure("database is locked"), True),
        (failure("database table is locked"), True),
        (failure("terminating connection due to administrator command", sqlstate="57P01"), False),
        (failure("server closed the connection unexpectedly"), False),
        (failure(2006, "MySQL server has gone away"), False),
        (failure("disk I/O error"), False),
        (failure(), False),
    ],
    ids=str,
)
def test_only_what_the_database_gave_up_for_another_transaction_is_run_again(error, again):
    assert given_up(error) is again


def test_it_is_run_again_only_so_often_and_then_the_error_is_told(no_pauses):
    calls = []

    @retried
    def fail() -> None:
        calls.append(1)
        raise failure("database is locked")

    with pytest.raises(OperationalError):
        fail()
    assert len(calls) == TRIES
    calls.clear()
    with transaction.atomic(), pytest.raises(OperationalError):
        fail()
    assert len(calls) == 1, "the caller's transaction was given up as a whole"


@pytest.mark.parametrize(
    ("module", "name"), [(queue, "_brake"), (settling, "insert")], ids=["claim", "settle"]
)
def test_delivering_once_outlives_a_transaction_that_was_given_up(
    make_due, elevate, deliver, monkeypatch, no_pauses, module, name
):
    make_due()
    write, failures = getattr(module, name), []

    def fail_once(*args):
        if not failures:
            failures.append(1)
            raise failure("deadlock detected", sqlstate="40P01")
        write(*args)

    monkeypatch.setattr(module, name, fail_once)
    assert deliver() == 1
    assert failures
    assert Registration.objects.by_status() == {"registered": 1}
    assert len(elevate.calls) == 1


# Real ones.


def wait_for_a_waiter() -> None:
    """Wait until some transaction of this database waits for a lock."""
    for _ in range(LONG * 100):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for a lock")


def count_repeats(monkeypatch) -> list[float]:
    repeats: list[float] = []
    monkeypatch.setattr(retrying.time, "sleep", repeats.append)
    return repeats


@on_postgres
def test_a_staff_act_that_loses_a_deadlock_is_done_all_the_same(make_live, monkeypatch):
    first, second = make_live(), make_live()
    repeats = count_repeats(monkeypatch)
    held = threading.Event()

    def cross() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # The act looks for a deadlock after a second; we do not, so that it is the one to be given up.
                cursor.execute("SET LOCAL deadlock_timeout = '60s'")
            Registration.objects.select_for_update().get(pk=second.pk)
            held.set()
            wait_for_a_waiter()
            Registration.objects.filter(pk=first.pk).update(actor="somebody else")

    with beside(cross):
        assert held.wait(LONG)
        acted = staff.cancel([first.pk, second.pk], actor="eve")
    assert repeats, "the deadlock was real"
    assert sorted(acted.done) == [first.pk, second.pk]
    assert not Registration.objects.filter(wanted=True).exists()


@on_postgres
def test_an_answer_that_loses_a_deadlock_is_written_all_the_same(make_due, monkeypatch):
    first, second = make_due(), make_due()
    answers = [
        Result(one, Outcome.DONE, registration_id=str(one.row.pk), status_code=200) for one in queue.claim(2)
    ]
    repeats = count_repeats(monkeypatch)
    held = threading.Event()

    def cross() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL deadlock_timeout = '60s'")
            Registration.objects.select_for_update().get(pk=second.pk)
            held.set()
            wait_for_a_waiter()
            Registration.objects.filter(pk=first.pk).update(actor="somebody else")

    with beside(cross):
        assert held.wait(LONG)
        settling.settle_all(answers)
    assert repeats, "the deadlock was real"
    assert answers == []
    assert Registration.objects.by_status() == {"registered": 2}
    assert {row.attempts.count() for row in Registration.objects.all()} == {1}


@pytest.fixture
def repeatable_read(monkeypatch) -> Iterator[None]:
    """A host that runs its database at REPEATABLE READ."""
    import psycopg

    with monkeypatch.context() as patch:
        patch.setitem(
            connection.settings_dict["OPTIONS"], "isolation_level", psycopg.IsolationLevel.REPEATABLE_READ
        )
        connection.close()
        yield
    connection.close()


@on_postgres
def test_a_staff_act_that_cannot_be_serialized_is_done_all_the_same(make_live, monkeypatch, repeatable_read):
    row = make_live()
    repeats = count_repeats(monkeypatch)
    now, changed = acts.database_now, []

    def change_meanwhile(using: str) -> Any:
        found = now(using)
        if not changed:
            changed.append(1)
            with beside(lambda: Registration.objects.filter(pk=row.pk).update(product_title="changed")):
                pass
        return found

    monkeypatch.setattr(acts, "database_now", change_meanwhile)
    assert staff.cancel([row.pk], actor="eve").done == [row.pk]
    assert repeats, "the failure was real"
    row.refresh_from_db()
    assert (row.wanted, row.product_title) == (False, "changed")


@on_postgres
def test_an_answer_that_cannot_be_serialized_is_written_all_the_same(make_due, monkeypatch, repeatable_read):
    row = make_due()
    (claimed,) = queue.claim(1)
    repeats = count_repeats(monkeypatch)
    held = threading.Event()

    def change() -> None:
        with transaction.atomic():
            Registration.objects.filter(pk=row.pk).update(product_title="changed")
            held.set()
            wait_for_a_waiter()

    with beside(change):
        assert held.wait(LONG)
        settling.settle_all([Result(claimed, Outcome.DONE, registration_id="1", status_code=200)])
    assert repeats, "the failure was real"
    row.refresh_from_db()
    assert (row.status, row.product_title) == ("registered", "changed")


@pytest.fixture
def locked_for_a_while(monkeypatch) -> Callable[[], Any]:
    """Hold SQLite's one lock until somebody has given up waiting for it."""
    held, may_end, ended = threading.Event(), threading.Event(), threading.Event()
    repeats: list[float] = []

    def hold() -> None:
        with transaction.atomic():
            DeliveryState.objects.filter(pk=0).update(paused=False)
            held.set()
            assert may_end.wait(LONG)
        ended.set()

    def pause(seconds: float) -> None:
        repeats.append(seconds)
        may_end.set()
        ended.wait(LONG)

    @contextmanager
    def locked() -> Iterator[list[float]]:
        monkeypatch.setattr(retrying.time, "sleep", pause)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")
        try:
            with beside(hold):
                assert held.wait(LONG)
                yield repeats
                may_end.set()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 20000")

    return locked


@on_sqlite
@pytest.mark.parametrize("what", ["claim", "settle", "a staff act", "pausing"])
def test_a_locked_database_is_waited_out(make_due, locked_for_a_while, what):
    row = make_due()
    claimed = queue.claim(1) if what == "settle" else []
    answers = [Result(one, Outcome.DONE, registration_id="1", status_code=200) for one in claimed]
    with locked_for_a_while() as repeats:
        if what == "claim":
            assert [one.row.pk for one in queue.claim(1)] == [row.pk]
        elif what == "settle":
            settling.settle_all(answers)
        elif what == "pausing":
            assert staff.pause(actor="eve")
        else:
            assert staff.cancel([row.pk], actor="eve").done == [row.pk]
    assert repeats, "the lock was real"
    row.refresh_from_db()
    expected = {"settle": "registered", "a staff act": "withdrawn", "claim": "pending", "pausing": "pending"}
    assert row.status == expected[what]
