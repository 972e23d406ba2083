"""The gate: pause, an Elevate that is away or busy, and the wrong key."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.delivery import queue, settling
from elevate_integration.delivery.outcomes import Result
from elevate_integration.delivery.worker import Worker
from elevate_integration.lifecycle import Outcome
from elevate_integration.models import DeliveryState, Registration
from tests.delivery.conftest import ago

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patient(elevate, settings):
    """What failed for a while stays away, so that delivering once comes to an end."""
    settings.ELEVATE = {
        **settings.ELEVATE,
        "RETRY_FIRST": 600.0,
        "RETRY_CEILING": 600.0,
        "PROBE_INTERVAL": 60.0,
        "UNREACHABLE_AFTER": 3,
        "KEY_SUSPECT_AFTER": 6,
    }


def state() -> DeliveryState:
    return DeliveryState.objects.get()


def run() -> int:
    return Worker(threads=1).run_once(sweeping=False)


def everything_is_due(seconds: float = 1) -> None:
    """Let time pass: waits, and the time of the next probe, are over."""
    Registration.objects.exclude(due_at=None).update(due_at=ago(seconds))
    DeliveryState.objects.exclude(probe_at=None).update(probe_at=ago(seconds))


def statuses() -> dict[str, int]:
    return Registration.objects.by_status()


def refuse(rows, text="The requested product could not be found.", **fields) -> None:
    """Answer due rows with the same refusal, one after the other."""
    for _ in range(rows):
        for claimed in queue.claim(1):
            messages = (("product", text),)
            settling.settle_all(
                [Result(claimed, Outcome.REFUSED, messages=messages, status_code=200, **fields)]
            )


def test_nothing_is_sent_while_delivery_is_paused(make_due, elevate):
    make_due()
    staff.pause(actor="eve")
    assert run() == 0
    assert not elevate.calls
    staff.resume(actor="eve")
    assert run() == 1


def test_an_elevate_that_is_away_is_probed_with_one_call_at_a_time(make_due, elevate):
    for _ in range(8):
        make_due()
    elevate.fail("status", times=None, status=429)
    run()
    assert len(elevate.calls) == 3, "after three failures in a row the gate shuts"
    assert state().gate == "unreachable"
    assert run() == 0, "and the next probe has its time"
    everything_is_due()
    assert run() == 1, "one probe"
    assert run() == 0
    elevate.clear_faults()
    everything_is_due()
    run()
    assert statuses() == {"registered": 8}
    assert (state().gate, state().failures, state().probe_at) == ("", 0, None)


def test_the_log_says_when_delivery_waits_and_when_it_goes_on(make_due, elevate, caplog):
    for _ in range(4):
        make_due()
    elevate.fail("status", times=3, status=429)
    with caplog.at_level("INFO", logger="elevate_integration.delivery.gate"):
        run()
        everything_is_due()
        run()
    said = [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records]
    assert said == [("ERROR", "Delivery waits (unreachable)"), ("INFO", "Delivery goes on.")]


def test_one_registration_that_fails_again_and_again_holds_up_no_other(make_due, elevate):
    bad = make_due()
    for _ in range(5):
        elevate.fail("status", status=429)
        run()
        everything_is_due()
    assert len(elevate.calls) == 5
    assert state().gate == "", "one registration says nothing about Elevate"
    good = make_due(due_at=ago(0.1))
    elevate.fail("status", status=429)
    run()
    assert statuses() == {"registered": 1, "pending": 1}
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status) == ("registered", "pending")


def test_a_single_failure_does_not_shut_the_gate(make_due, elevate):
    for _ in range(4):
        make_due()
    elevate.fail("status", times=2, status=429)
    run()
    assert state().gate == ""
    assert statuses() == {"registered": 2, "pending": 2}


def test_a_probe_is_a_registration_that_was_never_sent(make_due, elevate):
    doubtful = make_due(at_elevate="maybe", doubts=1, due_at=ago(500))
    fresh = make_due()
    DeliveryState.objects.filter(pk=1).update(gate="unreachable", probe_at=ago(1))
    (claimed,) = queue.claim(5)
    assert claimed.row.pk == fresh.pk
    assert doubtful.pk != fresh.pk


def test_two_workers_send_one_probe(make_due):
    make_due()
    make_due()
    DeliveryState.objects.filter(pk=1).update(gate="unreachable", probe_at=ago(1))
    assert len(queue.claim(5)) == 1
    assert queue.claim(5) == []


def test_a_gate_with_nothing_but_doubts_behind_it_opens_after_a_long_wait(make_due, elevate):
    make_due(at_elevate="maybe", doubts=1)
    DeliveryState.objects.filter(pk=1).update(gate="unreachable", gate_since=ago(9000), probe_at=ago(1))
    assert run() == 0
    DeliveryState.objects.update(probe_at=ago(601))
    assert run() == 1
    assert statuses() == {"registered": 1}
    assert state().gate == ""


@pytest.mark.parametrize("status", [429, 503])
def test_what_elevate_asks_for_with_retry_after_is_waited_for_by_everybody(make_due, elevate, status):
    make_due()
    make_due()
    elevate.fail("status", status=status, headers={"Retry-After": "120"})
    assert run() == 1
    assert state().gate == "busy"
    assert timedelta(seconds=100) < state().probe_at - timezone.now() <= timedelta(seconds=121)
    everything_is_due()
    run()
    assert statuses() == {"registered": 2}
    assert state().gate == ""


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.REFUSED])
@pytest.mark.parametrize("together", [True, False])
def test_the_answer_of_a_call_that_was_out_already_does_not_end_the_wait_of_a_busy_elevate(
    make_due, outcome, together
):
    for _ in range(3):
        make_due()
    turned_away, other = queue.claim(2)
    answers = [
        Result(turned_away, Outcome.NOT_SENT, status_code=429, retry_after=120.0),
        Result(other, outcome, registration_id="7" * (outcome is Outcome.DONE), status_code=200),
    ]
    for group in [answers] if together else [[answer] for answer in answers]:
        settling.settle_all(group)
    assert state().gate == "busy"
    assert queue.claim(5) == [], "nobody calls before the time is over"
    everything_is_due()
    (probe,) = queue.claim(5)
    settling.settle_all([Result(probe, outcome, registration_id="8", status_code=200)])
    assert state().gate == ""


def test_a_busy_elevate_gets_a_doubtful_registration_once_the_wait_is_over(make_due, elevate):
    make_due(at_elevate="maybe", doubts=1)
    elevate.fail("status", status=429, headers={"Retry-After": "5"})
    run()
    assert state().gate == "busy"
    everything_is_due()
    run()
    assert statuses() == {"registered": 1}


@pytest.mark.parametrize("how", ["status", "field"])
def test_a_wrong_key_pauses_delivery_and_marks_no_registration_refused(make_due, elevate, how):
    for _ in range(3):
        make_due()
    if how == "status":
        elevate.fail("refuse", times=None, message="No.", field="whatever")
        elevate.refusal_status = 401
    else:
        elevate.fail("refuse", times=None, message="No.", field="api_key")
    assert run() == 1
    assert state().gate == "key"
    assert statuses() == {"pending": 3}
    everything_is_due()
    assert run() == 1
    elevate.clear_faults()
    elevate.refusal_status = 200
    everything_is_due()
    run()
    assert statuses() == {"registered": 3}
    assert state().gate == ""


def test_the_same_no_to_everything_is_taken_for_a_wrong_key(make_due):
    for number in range(9):
        make_due(f"P-{number % 3}")
    refuse(6, "Access denied.")
    assert (state().gate, state().gate_message) == ("key", "Access denied.")
    assert statuses() == {"pending": 9}
    assert Registration.objects.due().count() == 9


def test_every_row_refused_with_the_same_words_comes_back_not_only_the_last_ones(make_due):
    for number in range(12):
        make_due(f"P-{number % 3}")
    claimed = queue.claim(12)
    messages = (("error", "Access denied."),)
    settling.settle_all([Result(one, Outcome.REFUSED, messages=messages, status_code=200) for one in claimed])
    assert state().gate == "key"
    assert statuses() == {"pending": 12}


def test_a_probe_that_hears_the_same_no_keeps_the_gate_shut(make_due):
    for number in range(9):
        make_due(f"P-{number % 3}")
    refuse(6, "Access denied.")
    everything_is_due()
    refuse(1, "Access denied.")
    assert state().gate == "key"
    assert statuses() == {"pending": 9}


def test_a_probe_that_hears_another_no_opens_the_gate(make_due):
    for number in range(9):
        make_due(f"P-{number % 3}")
    refuse(6, "Access denied.")
    everything_is_due()
    refuse(1, "The requested product could not be found.")
    assert state().gate == ""
    assert statuses() == {"pending": 8, "refused": 1}


def test_one_bad_product_refused_fourteen_times_pauses_nothing(make_due, elevate):
    for _ in range(14):
        make_due("GONE")
    make_due("ABCD1234")
    run()
    assert statuses() == {"refused": 14, "registered": 1}
    assert state().gate == ""


def test_one_learner_refused_for_many_products_pauses_nothing(make_due):
    for number in range(8):
        make_due(f"P-{number}", remote_user_id="M-1", seat_key=f"item:{number}")
    refuse(8, "This e-mail address is taken.")
    assert state().gate == ""
    assert statuses() == {"refused": 8}


def test_one_success_in_between_means_that_the_key_is_right(make_due):
    for number in range(7):
        make_due(f"P-{number % 3}")
    refuse(3)
    settling.settle_all(
        [Result(one, Outcome.DONE, registration_id="1", status_code=200) for one in queue.claim(1)]
    )
    refuse(3)
    assert state().gate == ""
    assert statuses() == {"refused": 6, "registered": 1}


def test_refusals_before_the_gate_last_opened_count_no_more(make_due):
    for number in range(12):
        make_due(f"P-{number % 3}")
    refuse(6, "Access denied.")
    everything_is_due()
    settling.settle_all(
        [Result(one, Outcome.DONE, registration_id="1", status_code=200) for one in queue.claim(1)]
    )
    refuse(1, "Access denied.")
    assert state().gate == ""


def test_an_alarm_stays_until_a_person_clears_it(make_live, settings):
    settings.ELEVATE = {**settings.ELEVATE, "CANCELS_PER_HOUR": 0}
    make_live()
    Registration.objects.update(wanted=False, confirmed=True, status="cancelling", due_at=ago(1))
    run()
    assert "parked" in state().alarm
    run()
    assert staff.clear_alarm(actor="eve")
    assert state().alarm == ""
