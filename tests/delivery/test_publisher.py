"""The thread that tells a broker, and the memory of what is planned: both without any broker."""

from __future__ import annotations

import os
import threading
import time

import pytest

from elevate_integration.delivery.dispatchers import batch
from elevate_integration.delivery.dispatchers.plan import Plan
from elevate_integration.delivery.dispatchers.publisher import Publisher

LONG = 20


class Broker:
    """Counts what is published; away while told so."""

    def __init__(self) -> None:
        self.published, self.tried, self.away = 0, 0, False
        self.changed = threading.Condition()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> None:
        self.may_answer.wait(LONG)
        with self.changed:
            self.tried += 1
            self.changed.notify_all()
            if self.away:
                raise ConnectionRefusedError("away")
            self.published += 1

    def wait(self, what: str, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: getattr(self, what) >= count, LONG)


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def publisher(broker):
    made = Publisher(broker)
    made.interval, made.pause = 0.2, 0.05
    yield made
    broker.away = False
    broker.may_answer.set()
    made.stop()


def test_what_is_asked_for_is_published(publisher, broker):
    publisher.ask()
    broker.wait("published", 1)


def test_many_at_once_are_few_messages_and_the_last_is_not_lost(publisher, broker):
    for _ in range(500):
        publisher.ask()
    broker.wait("published", 2)
    publisher.stop()
    assert broker.published <= 3


def test_asking_does_not_wait_for_a_silent_broker(publisher, broker):
    broker.may_answer.clear()
    started = time.monotonic()
    for _ in range(100):
        publisher.ask()
    assert time.monotonic() - started < 1
    assert not broker.published


def test_a_broker_that_is_away_is_tried_until_it_is_back_and_logged_once(publisher, broker, caplog):
    caplog.set_level("INFO", "elevate_integration")
    broker.away = True
    publisher.ask()
    broker.wait("tried", 3)
    assert caplog.text.count("cannot be told") == 1
    broker.away = False
    broker.wait("published", 1)
    publisher.stop()
    assert "The broker is back." in caplog.text


def test_what_was_asked_last_is_published_before_the_end(publisher, broker):
    publisher.ask()
    publisher.stop()
    assert broker.published == 1


def test_the_end_does_not_wait_long_for_a_silent_broker(publisher, broker):
    publisher.farewell = 0.1
    broker.may_answer.clear()
    publisher.ask()
    started = time.monotonic()
    publisher.stop()
    assert time.monotonic() - started < 2


def test_the_end_tries_a_broker_that_is_away_once_more_and_no_longer(publisher, broker):
    publisher.pause = 600.0
    broker.away = True
    broker.may_answer.clear()
    publisher.ask()
    pausing, stopping = threading.Event(), publisher._stopping
    wait = stopping.wait
    stopping.wait = lambda seconds: (pausing.set(), wait(seconds))
    broker.may_answer.set()
    assert pausing.wait(LONG)
    publisher.stop()
    assert not publisher._thread.is_alive()
    assert (broker.tried, broker.published) == (2, 0)


def test_a_thread_that_waits_for_something_to_do_ends_without_a_message(publisher, broker):
    publisher.interval = 0.0
    broker.may_answer.clear()
    publisher.ask()
    waiting, kick = threading.Event(), publisher._kick
    wait = kick.wait
    kick.wait = lambda: (waiting.set(), wait())
    broker.may_answer.set()
    assert waiting.wait(LONG)
    publisher.stop()
    assert not publisher._thread.is_alive()
    assert broker.tried == 1


def test_two_that_ask_first_at_once_share_a_thread(publisher, broker, monkeypatch):
    def threads() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name == "elevate-publisher"}

    others, before, begin_anew = [], threads(), publisher._begin_anew

    def begin_while_another_asks():
        if not others:
            others.append(threading.Thread(target=publisher.ask))
            others[0].start()
            # It comes to an end here only where it begins anew itself.
            others[0].join(0.5)
        begin_anew()

    monkeypatch.setattr(publisher, "_begin_anew", begin_while_another_asks)
    publisher.ask()
    others[0].join(LONG)
    assert len(threads() - before) == 1
    broker.wait("published", 1)


def test_a_forked_process_has_a_thread_of_its_own(publisher, broker, monkeypatch):
    publisher.ask()
    broker.wait("published", 1)
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    # As if another thread had held it at the fork.
    publisher._locks[pid].acquire()
    publisher.ask()
    broker.wait("published", 2)


def test_a_hundred_runs_plan_one_task():
    plan = Plan()
    assert [plan.covers(10.0) for _ in range(100)] == [False, *[True] * 99]
    assert plan.covers(30.0)
    assert not plan.covers(2.0)


def test_a_plan_that_failed_is_made_again():
    plan = Plan()
    assert not plan.covers(10.0)
    plan.forget()
    assert not plan.covers(10.0)


@pytest.mark.parametrize(
    ("waits", "seconds"),
    [
        ([], None),
        ([10.0, 3.0], 3.0),
        ([-500.0], None),
        ([-500.0, 2.0], 2.0),
        ([-0.1], batch.SOON),
        ([61.0], None),
    ],
)
def test_the_next_task_is_planned_for_what_falls_due_within_a_minute(waits, seconds):
    assert batch._soonest(waits) == seconds


@pytest.mark.django_db(transaction=True)
def test_a_batch_ends_in_time_and_says_that_there_is_more(sell, elevate, monkeypatch):
    elevate.fail("latency", seconds=0.4, times=100)
    monkeypatch.setattr(batch, "LONGEST", 0.2)
    sell(*["ETHICS"] * 12)
    assert batch.run_batch() == 0.0
    assert 0 < len(elevate.calls) < 12
    monkeypatch.setattr(batch, "LONGEST", 20.0)
    assert batch.run_batch() is None
    assert len(elevate.live()) == 12
