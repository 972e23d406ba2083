"""Claim and settle: leases, late answers, groups, and rows that no database takes."""

from __future__ import annotations

import threading

import pytest
from django.db import DataError, OperationalError, connection, connections, transaction

from elevate_integration import signals
from elevate_integration.delivery import queue
from elevate_integration.delivery.outcomes import Result
from elevate_integration.lifecycle import Operation, Outcome
from elevate_integration.models import Attempt, Registration
from tests.delivery.conftest import ago

pytestmark = pytest.mark.django_db(transaction=True)


def done(claimed, registration_id="583919", **fields) -> Result:
    fields = {"status_code": 200, "product_url": "https://elevate.test/p", **fields}
    return Result(claimed, Outcome.DONE, registration_id=registration_id, **fields)


def expire(row) -> None:
    Registration.objects.filter(pk=row.pk).update(due_at=ago(1))


def outcomes(row) -> list[str]:
    return list(row.attempts.order_by("pk").values_list("outcome", flat=True))


# Claim.


def test_the_rows_that_wait_longest_are_claimed_first_and_only_as_many_as_asked_for(make_due):
    rows = [make_due() for _ in range(4)]
    claimed = queue.claim(3)
    assert [one.row.pk for one in claimed] == [row.pk for row in rows[:3]]
    assert {one.operation for one in claimed} == {Operation.REGISTER}
    assert queue.claim(0) == []


def test_a_claimed_row_is_not_claimed_again_while_its_lease_runs(make_due):
    make_due()
    assert len(queue.claim(5)) == 1
    assert queue.claim(5) == []


def test_a_row_that_is_not_due_yet_is_left(make_due):
    make_due(due_at=ago(-60))
    make_due(due_at=None)
    assert queue.claim(5) == []


def test_a_due_row_with_nothing_to_do_is_put_to_rest(make_due):
    row = make_due(obstacle="refused")
    assert queue.claim(5) == []
    row.refresh_from_db()
    assert row.due_at is None


def test_a_lease_that_ran_out_leaves_a_doubt_with_an_attempt_that_says_so(make_due):
    row = make_due()
    queue.claim(1)
    expire(row)
    (again,) = queue.claim(1)
    row.refresh_from_db()
    assert (row.at_elevate, row.status, row.doubts) == ("maybe", "unconfirmed", 1)
    assert outcomes(row) == ["unknown"]
    assert again.operation is Operation.REGISTER
    expire(row)
    assert queue.claim(1) == []
    row.refresh_from_db()
    assert (row.obstacle, row.doubts, row.due_at) == ("doubt", 2, None)
    assert outcomes(row) == ["unknown", "unknown"]


def test_with_hold_a_doubt_waits_for_a_person_at_once(make_due, settings):
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    row = make_due()
    queue.claim(1)
    expire(row)
    assert queue.claim(1) == []
    row.refresh_from_db()
    assert (row.status, row.obstacle) == ("unconfirmed", "doubt")


def test_a_cancel_whose_lease_ran_out_is_repeated(make_live):
    row = make_live(seat_active=False)
    Registration.objects.update(wanted=False, confirmed=True, status="cancelling", due_at=ago(1))
    (first,) = queue.claim(1)
    expire(row)
    (again,) = queue.claim(1)
    assert first.operation is again.operation is Operation.CANCEL
    row.refresh_from_db()
    assert row.at_elevate == "leaving"


def test_two_workers_never_claim_the_same_row(make_due):
    for _ in range(20):
        make_due()
    start = threading.Barrier(4)
    taken: list[int] = []

    def work():
        start.wait(10)
        for _ in range(5):
            taken.extend(one.row.pk for one in queue.claim(2))
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == len(set(taken)) == 20


def test_a_row_that_somebody_holds_is_passed_over(make_due):
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database locks no single rows")
    first, second = make_due(), make_due()
    held, may_end = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Registration.objects.select_for_update().get(pk=first.pk)
            held.set()
            may_end.wait(10)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    assert [one.row.pk for one in queue.claim(5)] == [second.pk]
    may_end.set()
    thread.join(10)


# Settle.


def test_an_answer_is_written_with_its_attempt_and_told_after_the_commit(make_due):
    told = []

    def hear(registration, **_):
        told.append((registration.registration_id, connection.in_atomic_block))

    signals.registered.connect(hear)
    row = make_due()
    (claimed,) = queue.claim(1)
    queue.settle_all([done(claimed, messages=(("note", "hello"),), body="{}")])
    signals.registered.disconnect(hear)
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.claim_token, row.due_at) == (
        "registered",
        "583919",
        None,
        None,
    )
    assert row.registered_at is not None
    assert told == [("583919", False)]
    assert Attempt.objects.get().answered_id == "583919"


def test_a_listener_that_raises_disturbs_nobody(make_due):
    def fail(**_):
        raise RuntimeError("a bug of the host")

    signals.registered.connect(fail)
    row = make_due()
    queue.settle_all([done(claimed) for claimed in queue.claim(1)])
    signals.registered.disconnect(fail)
    row.refresh_from_db()
    assert row.status == "registered"


def test_what_was_not_sent_comes_back_later_each_time(make_due, settings):
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 100.0, "RETRY_CEILING": 1000.0}
    row = make_due()
    waits = []
    for _ in range(2):
        (claimed,) = queue.claim(1)
        queue.settle_all([Result(claimed, Outcome.NOT_SENT)])
        row.refresh_from_db()
        waits.append((row.due_at - row.updated_at).total_seconds())
        expire(row)
    assert 80 <= waits[0] <= 120
    assert 160 <= waits[1] <= 240
    assert (row.status, row.failures) == ("pending", 2)


def test_a_late_answer_ends_the_doubt_that_its_own_call_left(make_due, settings):
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    row = make_due()
    (claimed,) = queue.claim(1)
    expire(row)
    queue.claim(1)
    queue.settle_all([done(claimed)])
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.obstacle, row.due_at) == ("registered", "583919", "", None)
    assert outcomes(row) == ["unknown", "done"]


def test_a_late_answer_never_overwrites_a_newer_one_and_its_id_is_kept(make_due):
    row = make_due()
    (late,) = queue.claim(1)
    expire(row)
    (newer,) = queue.claim(1)
    queue.settle_all([done(newer, "2")])
    queue.settle_all([done(late, "1")])
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.duplicates) == ("registered", "2", ["1"])
    assert sorted(row.attempts.values_list("answered_id", flat=True)) == ["", "1", "2"]


@pytest.mark.parametrize("ending", [Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.REFUSED, "the worker dies"])
def test_a_late_answer_during_the_repeat_counts_when_the_repeat_brings_none(make_due, ending):
    told = []
    signals.registered.connect(
        lambda registration, **_: told.append(registration.pk), weak=False, dispatch_uid="x"
    )
    row = make_due()
    (late,) = queue.claim(1)
    expire(row)
    (repeat,) = queue.claim(1)
    queue.settle_all([done(late, "1", product_url="https://elevate.test/1")])
    row.refresh_from_db()
    assert (row.claim_token, row.status) == (repeat.token, "unconfirmed"), "the repeat is still open"
    if ending == "the worker dies":
        expire(row)
        assert queue.claim(1) == []
    else:
        queue.settle_all([Result(repeat, ending, messages=(("user", "no"),))])
    assert told == [row.pk]
    signals.registered.disconnect(dispatch_uid="x")
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.product_url) == ("registered", "1", "https://elevate.test/1")
    assert (row.due_at, row.claim_token, row.doubts, row.error_messages) == (None, None, 0, [])
    assert row.registered_at is not None


def test_when_both_the_late_answer_and_the_repeat_bring_an_id_the_repeats_is_used_and_both_are_kept(make_due):
    row = make_due()
    (late,) = queue.claim(1)
    expire(row)
    (repeat,) = queue.claim(1)
    queue.settle_all([done(late, "1")])
    queue.settle_all([done(repeat, "2")])
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.duplicates) == ("registered", "2", ["1"])
    assert sorted(row.attempts.values_list("answered_id", flat=True)) == ["", "1", "2"]


def test_a_late_refusal_changes_nothing(make_due, settings):
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    row = make_due()
    (claimed,) = queue.claim(1)
    expire(row)
    queue.claim(1)
    queue.settle_all([Result(claimed, Outcome.REFUSED, status_code=200)])
    row.refresh_from_db()
    assert (row.status, row.obstacle) == ("unconfirmed", "doubt")


def test_a_late_answer_to_a_cancel_of_an_older_registration_leaves_the_newer_one(make_live):
    row = make_live()
    Registration.objects.update(wanted=False, confirmed=True, status="cancelling", due_at=ago(1))
    (late,) = queue.claim(1)
    expire(row)
    (repeat,) = queue.claim(1)
    queue.settle_all([Result(repeat, Outcome.DONE, status_code=200)])
    Registration.objects.update(wanted=True, status="pending", due_at=ago(1))
    queue.settle_all([done(claimed, "99") for claimed in queue.claim(1)])
    queue.settle_all([Result(late, Outcome.DONE, status_code=200)])
    row.refresh_from_db()
    assert (row.status, row.registration_id) == ("registered", "99")


def test_an_answer_for_a_row_that_is_gone_is_dropped(make_due):
    row = make_due()
    (claimed,) = queue.claim(1)
    row.delete()
    queue.settle_all([done(claimed)])
    assert not Attempt.objects.exists()


def test_one_answer_that_cannot_be_written_costs_no_other_its_own(make_due, monkeypatch):
    good, poisoned = make_due(), make_due()
    claimed = {one.row.pk: one for one in queue.claim(2)}
    build = queue.attempt_of

    def poisoned_attempt(row, result):
        if result.body == "poison":
            raise DataError("no database takes this")
        return build(row, result)

    monkeypatch.setattr(queue, "attempt_of", poisoned_attempt)
    queue.settle_all([done(claimed[poisoned.pk], "66", body="poison"), done(claimed[good.pk], "7")])
    good.refresh_from_db()
    poisoned.refresh_from_db()
    assert (good.status, good.registration_id) == ("registered", "7")
    assert (poisoned.status, poisoned.registration_id) == ("registered", "66")
    assert "could not be stored" in poisoned.attempts.get().note


@pytest.mark.parametrize("text", ["a NUL \x00", "a lone surrogate \ud800", "long " * 100_000])
def test_texts_that_a_database_may_not_take_cost_no_answer(make_due, text):
    row, other = make_due(), make_due()
    first, second = queue.claim(2)
    queue.settle_all(
        [
            done(
                first,
                "1",
                body=text,
                note=text,
                sent={"extra": text},
                messages=(("field", text),),
                product_url=text[:400],
            ),
            done(second, "2"),
        ]
    )
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.status, row.registration_id) == ("registered", "1")
    assert (other.status, other.registration_id) == ("registered", "2")


def test_while_the_database_is_away_no_answer_is_dropped(make_due, monkeypatch):
    row = make_due()
    results = [done(claimed) for claimed in queue.claim(1)]

    def away(*args):
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(queue, "_settle_group", away)
        with pytest.raises(OperationalError):
            queue.settle_all(results)
    assert len(results) == 1
    queue.settle_all(results)
    row.refresh_from_db()
    assert row.status == "registered"
