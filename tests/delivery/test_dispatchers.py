"""Who delivers: the thread of the web process, the caller, a worker, or an engine of the host's own."""

from __future__ import annotations

import os
import threading

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_started
from django.db import transaction

from elevate_integration.delivery import dispatchers
from elevate_integration.delivery.dispatchers import Dispatcher, inline, thread
from elevate_integration.delivery.dispatchers.thread import ThreadDispatcher
from elevate_integration.delivery.dispatchers.worker import WorkerDispatcher
from elevate_integration.models import Registration
from elevate_integration.wake import wake
from tests.plainshop.models import Invoice

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 20


class Recorder(Dispatcher):
    """A host's own engine."""

    def __init__(self) -> None:
        self.woken = self.started = self.stopped = 0

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        self.stopped += 1

    def wake(self, order_ref: str = "") -> None:
        self.woken += 1


class NoDispatcher:
    """Something else."""


class StubWorker:
    """Stands in for the worker: runs until stopped, or dies at once."""

    made: list[StubWorker] = []

    def __init__(self, **options):
        self.started, self.stopping = threading.Event(), threading.Event()
        self.woken, self.dies = threading.Event(), False
        type(self).made.append(self)

    def run(self):
        self.started.set()
        self.stopping.wait(LONG)
        if self.dies:
            raise RuntimeError("a bug of ours")

    def wake(self, order_ref=""):
        self.woken.set()

    def stop(self):
        self.stopping.set()


@pytest.fixture
def choose(settings):
    """Choose a dispatcher by name or path; the one before comes back afterwards."""

    def choose(name):
        settings.ELEVATE = {**settings.ELEVATE, "DISPATCHER": name}
        dispatchers.start()
        return dispatchers._current

    yield choose
    choose("worker")


@pytest.fixture
def threaded(monkeypatch):
    """A thread dispatcher with stub workers, outside of a test runner as far as it can see."""
    monkeypatch.delattr(mail, "outbox")
    monkeypatch.setattr(thread, "Worker", StubWorker)
    monkeypatch.setattr(StubWorker, "made", [])
    dispatcher = ThreadDispatcher()
    yield dispatcher
    dispatcher._shut_down()


def test_inline_delivers_before_the_save_returns(choose, sell, elevate):
    choose("inline")
    sell()
    assert Registration.objects.get().status == "registered"


def test_inline_waits_for_the_commit(choose, sell, elevate):
    choose("inline")
    with transaction.atomic():
        sell()
        assert not elevate.calls
    assert len(elevate.calls) == 1


def test_inline_is_not_woken_by_its_own_work(choose, monkeypatch):
    dispatcher = choose("inline")
    runs = []

    class Waking:
        def run_once(self, **options):
            runs.append(1)
            dispatcher.wake()

    monkeypatch.setattr(inline, "Worker", Waking)
    dispatcher.wake()
    assert runs == [1]


def test_inline_that_fails_does_not_reach_the_checkout(choose, sell, monkeypatch, caplog):
    choose("inline")

    class Broken:
        def run_once(self, **options):
            raise RuntimeError("the database went away")

    monkeypatch.setattr(inline, "Worker", Broken)
    with transaction.atomic():
        sell()
    assert Invoice.objects.count() == 1
    assert "could not be woken" in caplog.text


def test_a_worker_process_is_left_to_look_by_itself(choose, sell, elevate):
    assert isinstance(choose("worker"), WorkerDispatcher)
    sell()
    assert not elevate.calls


def test_a_dispatcher_of_the_hosts_own_is_started_woken_and_stopped(choose, sell):
    recorder = choose("tests.delivery.test_dispatchers.Recorder")
    assert recorder.started == 1
    with transaction.atomic():
        sell()
    assert recorder.woken == 1
    choose("worker")
    assert recorder.stopped == 1


@pytest.mark.parametrize(
    "name", ["thraed", "no.such.Module", "tests.delivery.test_dispatchers.NoDispatcher", ""]
)
def test_a_dispatcher_that_is_none_is_named(name):
    with pytest.raises(ImproperlyConfigured, match="DISPATCHER"):
        dispatchers.make(name)


def test_a_thread_starts_with_the_first_wake_and_not_before(threaded):
    threaded.start()
    assert not StubWorker.made
    threaded.wake()
    (worker,) = StubWorker.made
    assert worker.started.wait(LONG)
    assert worker.woken.is_set()
    threaded.wake()
    assert len(StubWorker.made) == 1
    threaded.stop()
    assert not threaded._thread.is_alive()


def test_a_thread_starts_with_the_first_request(threaded):
    threaded.start()
    request_started.send(sender=object())
    assert len(StubWorker.made) == 1
    threaded.stop()
    request_started.send(sender=object())
    assert len(StubWorker.made) == 1


def test_a_dispatcher_whose_thread_never_started_stops_without_one(threaded):
    threaded.start()
    threaded.stop()
    request_started.send(sender=object())
    assert not StubWorker.made


def test_a_thread_that_died_is_started_again(threaded, caplog):
    threaded.wake()
    (dead,) = StubWorker.made
    dead.dies = True
    dead.stopping.set()
    threaded._thread.join(LONG)
    assert "Delivery stopped" in caplog.text
    threaded.wake()
    assert len(StubWorker.made) == 2
    assert StubWorker.made[1].started.wait(LONG)


def test_many_wakes_at_once_start_one_thread(threaded):
    start = threading.Barrier(8)

    def wake_it():
        start.wait(LONG)
        threaded.wake()

    threads = [threading.Thread(target=wake_it) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(LONG)
    assert len(StubWorker.made) == 1


def test_a_wake_while_the_thread_is_about_to_start_waits_for_it(threaded, monkeypatch):
    others = []

    def wake_meanwhile(function):
        if not others:
            others.append(threading.Thread(target=threaded.wake))
            others[0].start()
            # Another thread comes to an end here only where it starts a worker of its own.
            others[0].join(0.5)

    monkeypatch.setattr(thread.atexit, "register", wake_meanwhile)
    threaded.wake()
    others[0].join(LONG)
    assert len(StubWorker.made) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_the_child_has_a_thread_of_its_own(threaded):
    threaded.wake()
    assert StubWorker.made[0].started.wait(LONG)
    # As if another thread had been about to start one.
    lock = threaded._locks[os.getpid()]
    lock.acquire()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            threaded.wake()
            code = 0 if len(StubWorker.made) == 2 and StubWorker.made[1].started.wait(LONG) else 2
        finally:
            os._exit(code)
    lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_under_a_test_runner_no_thread_starts(monkeypatch):
    monkeypatch.setattr(thread, "Worker", StubWorker)
    monkeypatch.setattr(StubWorker, "made", [])
    assert hasattr(mail, "outbox")
    ThreadDispatcher().wake()
    assert not StubWorker.made


def test_waking_where_nothing_was_started_does_nothing(choose):
    from elevate_integration.wake import set_wake

    set_wake(None)
    wake()
