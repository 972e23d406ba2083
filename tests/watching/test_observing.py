"""The hook that services call: what observers hear, that a failing one disturbs nothing, and that none costs nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from elevate_integration import observing
from elevate_integration.models import Registration
from elevate_integration.observing import set_observers
from tests.watching.conftest import Notes


def test_a_step_tells_how_it_began_and_ended(notes):
    with observing.step("claim", first=1) as step:
        step.note(claimed=2)
    assert notes.steps == [("claim", {"first": 1, "claimed": 2}, "")]


def test_a_step_that_raises_is_told_by_the_class_and_raises_on(notes):
    with pytest.raises(ValueError, match="no"), observing.step("claim"):
        raise ValueError("no")
    assert notes.steps == [("claim", {}, "ValueError")]


def test_what_takes_no_time_is_told_too(notes):
    observing.tell("status", status="registered")
    assert notes.told == [("status", {"status": "registered"})]


def test_with_nobody_observing_every_step_is_the_same_object_that_does_nothing():
    assert not observing.observed()
    first = observing.step("claim", a=1)
    assert first is observing.step("call", b=2)
    with first as step:
        step.note(c=3)
    observing.tell("status", status="registered")
    assert vars(first) == {"_name": "", "_keys": {}, "_ends": []}


class Broken:
    """Raises at each point at which it may be called."""

    def __init__(self, *points: str) -> None:
        self.points = points

    def begin(self, step: str, keys: dict[str, Any]) -> Any:
        if "begin" in self.points:
            raise OSError("the disk is full")
        return self.end

    def end(self, keys: dict[str, Any], error: str) -> None:
        if "end" in self.points:
            raise OSError("the disk is full")

    def happened(self, what: str, keys: dict[str, Any]) -> None:
        if "happened" in self.points:
            raise OSError("the disk is full")


@pytest.mark.parametrize("point", ["begin", "end", "happened"])
def test_an_observer_that_fails_disturbs_neither_the_work_nor_others_and_is_logged_once(point, caplog):
    other = Notes()
    set_observers(Broken(point), other)
    for _ in range(3):
        with observing.step("claim"):
            observing.tell("status")
    assert (len(other.steps), len(other.told)) == (3, 3)
    assert [record.event for record in caplog.records] == ["elevate.observer.failed"]
    assert "Broken cannot measure" in caplog.text


def test_the_error_of_the_work_is_not_replaced_by_that_of_an_observer(caplog):
    set_observers(Broken("end"))
    with pytest.raises(ValueError, match="the work"), observing.step("claim"):
        raise ValueError("the work")


def test_an_observer_that_wants_nothing_of_a_step_is_not_told_of_its_end():
    class Picky(Notes):
        def begin(self, step: str, keys: dict[str, Any]) -> Any:
            return None

    picky = Picky()
    set_observers(picky)
    with observing.step("claim"):
        pass
    assert picky.steps == []


@pytest.mark.django_db(transaction=True)
def test_a_sale_is_told_from_capture_to_call(sell, deliver, notes):
    invoice = sell("ETHICS")
    ref = str(invoice.pk)
    assert notes.of("capture")[0] == {"order_ref": ref}
    deliver()
    pk = Registration.objects.get().pk
    assert {"order_ref": ref, "trigger": "mark", "result": "written"} in notes.of("sync")
    assert notes.of("call") == [
        {"operation": "register", "registration": pk, "order_ref": ref, "outcome": "done", "status_code": 200}
    ]
    (what, keys) = notes.told[-1]
    assert (what, keys["status"]) == ("status", "registered")
    assert 0 <= keys["waited"] < 60


@pytest.mark.django_db(transaction=True)
def test_a_claim_is_told_with_the_number_of_rows(sell, deliver, elevate, notes, settings):
    elevate.fail("status", status=429)
    sell("ETHICS")
    deliver()
    assert {"claimed": 1} in notes.of("claim")


@pytest.mark.django_db(transaction=True)
def test_what_staff_helped_with_says_nothing_about_waiting(sell, deliver, elevate, notes):
    elevate.fail("refuse")
    sell("ETHICS")
    deliver()
    Registration.objects.update(trigger="staff", obstacle="", status="pending", due_at="2020-01-01T00:00Z")
    deliver()
    assert [(keys["status"], keys["waited"]) for _, keys in notes.told] == [
        ("refused", None),
        ("registered", None),
    ]


@pytest.mark.django_db(transaction=True)
def test_an_order_that_cannot_be_read_is_told_as_failed(sell, plainshop, deliver, notes):
    invoice = sell("ETHICS")
    plainshop.broken = LookupError("no")
    deliver()
    assert {"order_ref": str(invoice.pk), "trigger": "mark", "result": "failed"} in notes.of("sync")


@pytest.mark.django_db(transaction=True)
def test_a_mark_that_cannot_be_written_is_told_by_its_error(notes, monkeypatch, plainshop):
    from elevate_integration import marks

    def fail(*args: Any) -> None:
        raise LookupError("no")

    monkeypatch.setattr(marks, "_mark", fail)
    marks.order_changed("7")
    assert notes.steps == [("capture", {"order_ref": "7"}, "LookupError")]


@pytest.mark.django_db(transaction=True)
def test_observing_costs_no_query(sell, deliver, django_assert_num_queries):
    def queries(*observers: Any) -> int:
        set_observers(*observers)
        with CaptureQueriesContext(connection) as asked:
            sell("ETHICS")
            deliver()
        return len(asked)

    sell("LAW")
    deliver()
    nobody = queries()
    assert queries(Notes()) == nobody


@pytest.mark.django_db(transaction=True)
def test_calls_are_told_in_the_threads_that_make_them(sell, deliver, notes):
    class Threads(Notes):
        def __init__(self) -> None:
            super().__init__()
            self.names: dict[str, set[str]] = {}

        def begin(self, step: str, keys: dict[str, Any]) -> Any:
            self.names.setdefault(step, set()).add(threading.current_thread().name)
            return super().begin(step, keys)

    kept = Threads()
    set_observers(kept)
    sell("ETHICS", "LAW")
    deliver()
    assert len(kept.of("call")) == 2
    assert all(name.startswith("elevate-sender") for name in kept.names["call"])
