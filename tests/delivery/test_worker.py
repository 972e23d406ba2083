"""The loop: what it sends at once, how it stops, and that nothing stops it."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import DatabaseError, OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration.delivery import queue, settling
from elevate_integration.delivery import worker as worker_module
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Attempt, DeliveryState, OrderMark, Registration
from tests.delivery.conftest import ago
from tests.faults.count import wait_until
from tests.threads import running

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 20


@pytest.fixture
def gate_at_elevate(elevate):
    """Elevate reads calls and does nothing more until told to; gives (somebody called, may go on)."""
    called, may_go_on = threading.Event(), threading.Event()

    def hold(path, fields):
        called.set()
        may_go_on.wait(LONG)

    elevate.on_call = hold
    yield called, may_go_on
    may_go_on.set()


def waiter(worker: Worker, count: int) -> threading.Event:
    """Set once the worker has settled so many answers."""
    reached, seen = threading.Event(), []

    def hear(result):
        seen.append(result)
        if len(seen) >= count:
            reached.set()

    worker.heard = hear
    return reached


def statuses() -> dict[str, int]:
    return Registration.objects.by_status()


def test_one_run_delivers_everything_that_is_due_and_comes_back(make_due, elevate):
    for _ in range(9):
        make_due()
    assert Worker(threads=2).run_once(sweeping=False) == 9
    assert statuses() == {"registered": 9}
    assert elevate.max_open_calls <= 2


def test_one_run_reads_the_marks_first(sell, elevate):
    sell("ETHICS", "LAW")
    assert Worker(threads=2).run_once() == 2
    assert not OrderMark.objects.exists()


def test_an_idle_run_makes_no_call_and_starts_no_thread(elevate):
    before = threading.active_count()
    worker = Worker(threads=4)
    assert worker.run_once(sweeping=False) == 0
    assert threading.active_count() == before


def test_no_more_calls_are_open_than_there_are_threads(make_due, elevate, gate_at_elevate):
    called, may_go_on = gate_at_elevate
    for _ in range(8):
        make_due()
    worker = Worker(threads=3, poll=0.05)
    settled = waiter(worker, 8)
    with running(worker):
        assert called.wait(LONG)
        assert Registration.objects.exclude(claim_token=None).count() <= 3
        may_go_on.set()
        assert settled.wait(LONG)
    assert elevate.max_open_calls <= 3
    assert statuses() == {"registered": 8}


def test_an_answer_is_written_before_another_row_is_claimed_in_its_place(make_due, elevate, monkeypatch):
    """Else a worker that is killed between the two leaves more doubts than it has threads."""
    for _ in range(12):
        make_due()
    held, claim = [], queue.claim

    def claim_and_count(limit):
        claimed = claim(limit)
        held.append(Registration.objects.exclude(claim_token=None).count())
        return claimed

    monkeypatch.setattr(queue, "claim", claim_and_count)
    assert Worker(threads=3).run_once(sweeping=False) == 12
    assert max(held) == 3


def test_stopping_finishes_the_calls_in_flight_and_claims_no_more(make_due, elevate, gate_at_elevate):
    called, may_go_on = gate_at_elevate
    for _ in range(3):
        make_due()
    worker = Worker(threads=1, poll=0.05)
    with running(worker) as thread:
        assert called.wait(LONG)
        worker.stop()
        may_go_on.set()
        thread.join(LONG)
        assert not thread.is_alive()
    assert statuses() == {"registered": 1, "pending": 2}
    assert not Registration.objects.exclude(claim_token=None).exists()
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["done"]


@pytest.fixture
def at_once(monkeypatch):
    """However long it takes here: Elevate's answers count as given at once."""
    monkeypatch.setattr(worker_module, "_SLOW", 3600.0)


def to_senders(worker: Worker) -> list[object]:
    """The calls that the loop leaves to its senders, as it leaves them."""
    left, give = [], worker._to_sender
    worker._to_sender = lambda call: (left.append(call), give(call))
    return left


def test_where_elevate_answers_at_once_only_the_first_call_needs_a_sender(make_due, elevate, at_once):
    for _ in range(6):
        make_due()
    worker = Worker(threads=1)
    left = to_senders(worker)
    assert worker.run_once(sweeping=False) == 6
    assert len(left) == 1, "it had to connect"
    assert statuses() == {"registered": 6}


def test_where_answers_take_long_every_call_is_a_senders(make_due, elevate, monkeypatch):
    monkeypatch.setattr(worker_module, "_SLOW", 0.0)
    for _ in range(6):
        make_due()
    worker = Worker(threads=2)
    left = to_senders(worker)
    assert worker.run_once(sweeping=False) == 6
    assert len(left) == 6


@pytest.mark.parametrize(
    "fault",
    ["close_half", "dribble", "garbage", "hang", "html", "reset_after_storing", "reset_before_reading"],
)
def test_a_call_of_the_loop_that_goes_wrong_ends_as_a_senders_does(
    make_due, elevate, monkeypatch, settings, fault
):
    monkeypatch.setattr(worker_module, "_SLOW", 2.0)
    settings.ELEVATE = {**settings.ELEVATE, "READ_TIMEOUT": 0.5, "CALL_DEADLINE": 1.0}
    for _ in range(3):
        make_due()
    elevate.after_store = lambda path, fields: spoil_the_next(elevate, fault)
    Worker(threads=1).run_once(sweeping=False)
    assert [attempt.outcome for attempt in Attempt.objects.order_by("pk")][:2] == ["done", "unknown"]
    assert Registration.objects.filter(order_ref__in="13", status="registered").count() == 2


def spoil_the_next(elevate, fault: str) -> None:
    elevate.after_store = None
    elevate.fail(fault)


def test_a_call_of_the_loop_that_elevate_holds_holds_up_no_other(make_due, elevate, at_once):
    held, may_go_on = threading.Event(), threading.Event()

    def hold(path, fields):
        if fields["remote_user_id"] == "M-3":
            held.set()
            may_go_on.wait(LONG)

    for _ in range(8):
        make_due()
    elevate.on_call = hold
    worker = Worker(threads=2, poll=0.05)
    others = waiter(worker, 7)
    with running(worker):
        assert held.wait(LONG)
        assert others.wait(LONG)
        assert statuses()["registered"] == 7
        may_go_on.set()
    assert statuses() == {"registered": 8}


@pytest.fixture
def warm(make_due, elevate, at_once):
    """A running worker whose loop makes its calls itself, since Elevate has answered it at once."""
    make_due()
    worker = Worker(threads=1, poll=0.05)
    registered = waiter(worker, 1)
    with running(worker):
        assert registered.wait(LONG)
        yield worker


def test_a_call_of_the_loop_that_takes_long_becomes_a_senders(
    warm, make_due, elevate, gate_at_elevate, monkeypatch
):
    _, may_go_on = gate_at_elevate
    left, settled = to_senders(warm), waiter(warm, 1)
    monkeypatch.setattr(worker_module, "_SLOW", 0.1)
    make_due()
    wait_until(lambda: left, what="a sender has the call")
    assert left[0].begun_at, "the loop had begun it"
    may_go_on.set()
    assert settled.wait(LONG)
    assert statuses() == {"registered": 2}
    assert len(elevate.calls) == 2


def test_a_worker_that_stops_finishes_the_call_that_its_loop_has_begun(
    warm, make_due, elevate, gate_at_elevate
):
    called, may_go_on = gate_at_elevate
    make_due()
    assert called.wait(LONG)
    warm.stop()
    may_go_on.set()
    wait_until(lambda: statuses() == {"registered": 2}, what="its answer is written")


def test_a_loop_that_breaks_off_has_a_sender_finish_what_it_has_begun(
    make_due, elevate, at_once, monkeypatch
):
    for _ in range(2):
        make_due()
    worker = Worker(threads=1)
    watch = worker._inbox.watch

    def watch_and_break_off(call, waiting):
        watch(call, waiting)
        raise ZeroDivisionError

    monkeypatch.setattr(worker._inbox, "watch", watch_and_break_off)
    with pytest.raises(ZeroDivisionError):
        worker.run_once(sweeping=False)
    assert statuses() == {"registered": 2}


def test_a_loop_that_breaks_off_waits_for_an_answer_of_which_a_part_has_come_in(
    make_due, elevate, at_once, monkeypatch
):
    for _ in range(2):
        make_due()
    worker = Worker(threads=1)

    def come_in_and_break_off(call, waiting):
        assert not call.whole
        worker._inbox.put(call)
        raise ZeroDivisionError

    monkeypatch.setattr(worker._inbox, "watch", come_in_and_break_off)
    with pytest.raises(ZeroDivisionError):
        worker.run_once(sweeping=False)
    assert statuses() == {"registered": 2}


def test_a_woken_worker_looks_at_once(make_due, elevate):
    worker = Worker(threads=1, poll=3600.0)
    settled = waiter(worker, 1)
    with running(worker):
        make_due()
        worker.wake()
        assert settled.wait(LONG)


def test_a_worker_that_is_told_of_an_order_does_not_ask_which_orders_are_marked(sell, elevate, monkeypatch):
    worker = Worker(threads=1, poll=3600.0)
    settled, resting, asked = waiter(worker, 1), threading.Event(), []
    wait = worker._wait
    monkeypatch.setattr(worker, "_wait", lambda seconds: (resting.set(), wait(seconds)))
    with running(worker):
        assert resting.wait(LONG)
        monkeypatch.setattr(queue, "due_orders", lambda limit: asked.append(limit) or {})
        invoice = sell("ETHICS")
        worker.wake(str(invoice.pk))
        assert settled.wait(LONG)
    assert asked == []
    assert statuses() == {"registered": 1}


def test_orders_that_keep_being_told_of_hold_up_no_other(sell, elevate, monkeypatch):
    told, waiting = sell("ETHICS"), sell("ETHICS")
    OrderMark.objects.all().delete()
    OrderMark.objects.create(order_ref=str(waiting.pk), due_at=ago(60))
    worker, synced = Worker(threads=1), []
    sync = worker_module.sync_order

    def sync_and_hear_of_another(ref, **options):
        synced.append(ref)
        if len(synced) < 50:
            OrderMark.objects.create(order_ref=str(told.pk), due_at=ago(1))
            worker.wake(str(told.pk))
        return sync(ref, **options)

    monkeypatch.setattr(worker_module, "sync_order", sync_and_hear_of_another)
    monkeypatch.setattr(worker_module, "_LOOK_ANYWAY", 0.0)
    OrderMark.objects.create(order_ref=str(told.pk), due_at=ago(1))
    worker.wake(str(told.pk))
    worker.run_once(sweeping=False)
    assert str(waiting.pk) in synced[:3]


def test_an_answer_is_kept_while_the_database_is_away(make_due, elevate, gate_at_elevate, monkeypatch):
    called, may_go_on = gate_at_elevate
    row = make_due()
    settle = settling._settle_group
    failures = iter([OperationalError("away"), OperationalError("still away")])

    def away_for_a_while(results):
        for failure in failures:
            raise failure
        settle(results)

    monkeypatch.setattr(settling, "_settle_group", away_for_a_while)
    worker = Worker(threads=1, poll=0.05)
    settled = waiter(worker, 1)
    with running(worker):
        assert called.wait(LONG)
        may_go_on.set()
        assert settled.wait(LONG)
    row.refresh_from_db()
    assert row.status == "registered"
    assert len(elevate.calls) == 1


def test_a_connection_that_cannot_even_be_closed_costs_no_answer(make_due, elevate, monkeypatch):
    row = make_due()
    settle, close = settling._settle_group, connection.close
    failures, broken = iter([OperationalError("away")]), iter([DatabaseError("cannot be closed")])

    def close_in_vain():
        for failure in broken:
            raise failure
        close()

    def away_once(results):
        for failure in failures:
            monkeypatch.setattr(connections["default"], "close", close_in_vain)
            raise failure
        settle(results)

    monkeypatch.setattr(settling, "_settle_group", away_once)
    worker = Worker(threads=1, poll=0.05)
    worker.heard = lambda result: worker.stop()
    worker.run()
    assert not list(broken), "it was tried"
    row.refresh_from_db()
    assert row.status == "registered"


def test_a_database_that_stays_away_does_not_keep_a_worker_from_stopping(
    make_due, elevate, monkeypatch, caplog
):
    row = make_due()
    worker = Worker(threads=1, poll=0.05)

    def away(results):
        worker.stop()
        raise OperationalError("away")

    monkeypatch.setattr(settling, "_settle_group", away)
    worker.run()
    assert "1 answers could not be written; their registrations come back in doubt" in caplog.text
    row.refresh_from_db()
    assert row.claim_token is not None, "its lease runs out"


def test_a_run_that_breaks_off_still_writes_the_answers_it_has(make_due, elevate, monkeypatch):
    """A database error in the middle must not turn an answer that has come in into a doubt."""
    row = make_due()
    settle = settling._settle_group
    failures = iter([OperationalError("deadlock")])

    def fail_once(results):
        for failure in failures:
            raise failure
        settle(results)

    monkeypatch.setattr(settling, "_settle_group", fail_once)
    with pytest.raises(OperationalError):
        Worker(threads=1).run_once(sweeping=False)
    row.refresh_from_db()
    assert row.status == "registered"


@pytest.mark.parametrize("method", ["recent", "placed_at", "snapshot"])
def test_an_order_source_that_raises_does_not_end_the_loop(sell, plainshop, monkeypatch, elevate, method):
    def fail(self, *args):
        raise RuntimeError("a bug of the host")

    sell()
    with monkeypatch.context() as patch:
        patch.setattr(plainshop, method, fail)
        OrderMark.objects.all().delete()
        Worker(threads=1).run_once()
        assert not elevate.calls
    DeliveryState.objects.update(sweep_due_at=None)
    Worker(threads=1).run_once()
    assert statuses() == {"registered": 1}, "the next sweep finds what the broken one did not"


def test_a_host_text_that_raises_is_no_call_and_does_not_stop_the_others(make_due, elevate, settings):
    settings.ELEVATE = {
        **settings.ELEVATE,
        "PAYLOAD": lambda row: 1 / 0 if row.remote_user_id == "M-1" else {},
        "RETRY_FIRST": 600.0,
        "RETRY_CEILING": 600.0,
    }
    make_due()
    make_due()
    Worker(threads=1).run_once(sweeping=False)
    assert statuses() == {"pending": 1, "registered": 1}
    assert len(elevate.calls) == 1


def test_the_worker_shows_that_it_is_alive(elevate):
    Worker().run_once(sweeping=False)
    assert (timezone.now() - DeliveryState.objects.get().heartbeat_at).total_seconds() < 60


def test_a_sign_of_life_takes_the_place_of_a_look_and_the_next_look_comes(make_due, elevate, monkeypatch):
    monkeypatch.setattr(worker_module, "_HEARTBEAT", 0.2)
    worker = Worker(threads=2, poll=0.05)
    done = waiter(worker, 1)
    with running(worker):
        make_due()
        assert done.wait(LONG), "a worker that only shows that it lives would never send"


def test_an_idle_worker_asks_one_question_in_the_second_in_which_it_shows_that_it_is_alive(
    elevate, monkeypatch
):
    monkeypatch.setattr(worker_module, "_HEARTBEAT", 0.0)
    worker = Worker(threads=1)
    asked: list[list[str]] = []

    def ask(seconds):
        # What a driver asks of its own accord when it connects anew is left out.
        ours = [query["sql"] for query in queries if "elevate_integration" in query["sql"]]
        asked.append(ours[sum(map(len, asked)) :])
        if len(asked) == 2:
            worker.stop()

    monkeypatch.setattr(worker, "_wait", ask)
    DeliveryState.objects.update_or_create(pk=1, defaults={"sweep_due_at": ago(-3600)})
    with CaptureQueriesContext(connection) as queries:
        worker.run()
    first, second = asked
    assert len(first) == 2, "the sign of life and a look"
    assert len(second) == 1
    assert "heartbeat_at" in second[0]


def test_an_idle_worker_sweeps_when_it_is_time_and_only_then(elevate, plainshop, monkeypatch):
    swept = []
    monkeypatch.setattr(worker_module, "sweep_if_due", lambda: swept.append(1))
    Worker().run_once()
    assert swept
    DeliveryState.objects.update(sweep_due_at=ago(-600))
    swept.clear()
    Worker().run_once()
    assert not swept


BAD_ANSWERS = {
    "html": "unconfirmed",
    "garbage": "unconfirmed",
    "wrong_type": "unconfirmed",
    "no_id": "unconfirmed",
    "close_half": "unconfirmed",
    "reset_before_reading": "unconfirmed",
    "reset_after_storing": "unconfirmed",
    "endless": "unconfirmed",
    "huge": "unconfirmed",
    "hang": "unconfirmed",
    "nul": "registered",
    "refuse": "refused",
    "echo_key": "pending",
}


@pytest.mark.parametrize("fault", BAD_ANSWERS)
def test_whatever_elevate_answers_has_one_of_four_outcomes_and_the_row_stays(
    make_due, elevate, settings, fault
):
    settings.ELEVATE = {
        **settings.ELEVATE,
        "READ_TIMEOUT": 0.5,
        "CALL_DEADLINE": 1.0,
        "UNCONFIRMED": "hold",
        "KEY_FIELDS": {"api_key"},
    }
    bad, good = make_due(), make_due()
    elevate.fail(fault)
    Worker(threads=1).run_once(sweeping=False)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert bad.status == BAD_ANSWERS[fault]
    first = bad.attempts.earliest("pk")
    assert first.outcome in {"done", "refused", "not_sent", "unknown"}
    assert "test-key" not in str(first.__dict__)
    assert good.status == ("pending" if fault == "echo_key" else "registered")


def test_an_id_that_comes_as_text_is_sent_back_as_text(make_live, elevate):
    elevate.id_as_string = True
    row = make_live()
    assert row.id_is_number is False
    Registration.objects.update(wanted=False, confirmed=True, status="cancelling", due_at=ago(1))
    Worker(threads=1).run_once(sweeping=False)
    assert elevate.calls[-1][1]["registration_id"] == row.registration_id
    assert statuses() == {"cancelled": 1}


@pytest.mark.parametrize("once", [True, False])
def test_the_operators_ceiling_of_calls_per_second_is_kept_and_all_goes_out(
    make_due, elevate, settings, once
):
    settings.ELEVATE = {**settings.ELEVATE, "CALLS_PER_SECOND": 20.0}
    worker_module.pace.cache_clear()
    for _ in range(9):
        make_due()
    arrived = []
    elevate.on_call = lambda path, fields: arrived.append(time.monotonic())
    worker, started = Worker(threads=8), time.monotonic()
    if once:
        assert worker.run_once() == 9
    else:
        done = waiter(worker, 9)
        with running(worker):
            assert done.wait(LONG)
    assert len(arrived) == 9
    assert arrived[-1] - started >= 5 / 20, (
        "four may go at once, and each of the others after its twentieth of a second"
    )


def test_a_worker_that_the_ceiling_holds_back_rests_until_the_next_call_may_go_out(
    make_due, elevate, settings, monkeypatch
):
    settings.ELEVATE = {**settings.ELEVATE, "CALLS_PER_SECOND": 0.001}
    worker_module.pace.cache_clear()
    for _ in range(2):
        make_due()
    worker, rested = Worker(threads=2, poll=0.05), []
    wait = worker._wait

    def rest(seconds):
        if seconds > worker.poll:
            rested.append(seconds)
            worker.stop()
        wait(seconds)

    monkeypatch.setattr(worker, "_wait", rest)
    worker.run()
    assert 500 < rested[0] <= 1000, "the ceiling lets one out in a thousand seconds"
    assert statuses() == {"registered": 1, "pending": 1}
