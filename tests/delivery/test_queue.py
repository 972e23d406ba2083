"""Claims: who gets which row, and what a lease that ran out leaves."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections, transaction

from elevate_integration.delivery import queue
from elevate_integration.lifecycle import Operation
from elevate_integration.models import DeliveryState, Registration
from tests.delivery.conftest import ago

pytestmark = pytest.mark.django_db(transaction=True)


def expire(row) -> None:
    Registration.objects.filter(pk=row.pk).update(due_at=ago(1))


def outcomes(row) -> list[str]:
    return list(row.attempts.order_by("pk").values_list("outcome", flat=True))


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


def test_where_nothing_has_run_yet_everything_is_to_be_looked_at(elevate):
    DeliveryState.objects.all().delete()
    assert queue.ahead() == queue.Ahead(0.0, 0.0, 0.0)
    ahead = queue.ahead()
    assert (ahead.marks, ahead.calls, ahead.next) == (None, None, None)


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
