"""Settle: late answers, groups, rows that changed while their call was open, and rows that no database takes."""

from __future__ import annotations

import pytest
from django.db import DataError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from elevate_integration import signals
from elevate_integration.delivery import queue, settling
from elevate_integration.delivery.outcomes import Result
from elevate_integration.lifecycle import Outcome
from elevate_integration.models import Attempt, Registration
from tests.delivery.conftest import ago

pytestmark = pytest.mark.django_db(transaction=True)


def done(claimed, registration_id="583919", **fields) -> Result:
    fields = {"status_code": 200, "product_url": "https://elevate.test/p", **fields}
    return Result(claimed, Outcome.DONE, registration_id=registration_id, **fields)


def expire(row) -> None:
    Registration.objects.filter(pk=row.pk).update(due_at=ago(1))


def claimed_twice(row) -> tuple[queue.Claimed, queue.Claimed]:
    """Claim a row, and once more after the lease ran out: the first one's answer will be late."""
    (late,) = queue.claim(1)
    expire(row)
    (repeat,) = queue.claim(1)
    return late, repeat


def outcomes(row) -> list[str]:
    return list(row.attempts.order_by("pk").values_list("outcome", flat=True))


def test_an_answer_is_written_with_its_attempt_and_told_after_the_commit(make_due):
    told = []

    def hear(registration, **_):
        told.append((registration.registration_id, connection.in_atomic_block))

    signals.registered.connect(hear)
    row = make_due()
    (claimed,) = queue.claim(1)
    settling.settle_all([done(claimed, messages=(("note", "hello"),), body="{}")])
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
    settling.settle_all([done(claimed) for claimed in queue.claim(1)])
    signals.registered.disconnect(fail)
    row.refresh_from_db()
    assert row.status == "registered"


def test_what_was_not_sent_comes_back_later_each_time(make_due, settings):
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 100.0, "RETRY_CEILING": 1000.0}
    row = make_due()
    waits = []
    for _ in range(2):
        (claimed,) = queue.claim(1)
        settling.settle_all([Result(claimed, Outcome.NOT_SENT)])
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
    settling.settle_all([done(claimed)])
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.obstacle, row.due_at) == ("registered", "583919", "", None)
    assert outcomes(row) == ["unknown", "done"]


def test_a_late_answer_never_overwrites_a_newer_one_and_its_id_is_kept(make_due):
    row = make_due()
    late, newer = claimed_twice(row)
    settling.settle_all([done(newer, "2")])
    settling.settle_all([done(late, "1")])
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
    late, repeat = claimed_twice(row)
    settling.settle_all([done(late, "1", product_url="https://elevate.test/1")])
    row.refresh_from_db()
    assert (row.claim_token, row.status) == (repeat.token, "unconfirmed"), "the repeat is still open"
    if ending == "the worker dies":
        expire(row)
        assert queue.claim(1) == []
    else:
        settling.settle_all([Result(repeat, ending, messages=(("user", "no"),))])
    assert told == [row.pk]
    signals.registered.disconnect(dispatch_uid="x")
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.product_url) == ("registered", "1", "https://elevate.test/1")
    assert (row.due_at, row.claim_token, row.doubts, row.error_messages) == (None, None, 0, [])
    assert row.registered_at is not None


def test_when_both_the_late_answer_and_the_repeat_bring_an_id_the_repeats_is_used_and_both_are_kept(make_due):
    row = make_due()
    late, repeat = claimed_twice(row)
    settling.settle_all([done(late, "1")])
    settling.settle_all([done(repeat, "2")])
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.duplicates) == ("registered", "2", ["1"])
    assert sorted(row.attempts.values_list("answered_id", flat=True)) == ["", "1", "2"]


def test_a_late_refusal_changes_nothing(make_due, settings):
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    row = make_due()
    (claimed,) = queue.claim(1)
    expire(row)
    queue.claim(1)
    settling.settle_all([Result(claimed, Outcome.REFUSED, status_code=200)])
    row.refresh_from_db()
    assert (row.status, row.obstacle) == ("unconfirmed", "doubt")


def test_a_late_answer_to_a_cancel_of_an_older_registration_leaves_the_newer_one(make_live):
    row = make_live()
    Registration.objects.update(wanted=False, confirmed=True, status="cancelling", due_at=ago(1))
    late, repeat = claimed_twice(row)
    settling.settle_all([Result(repeat, Outcome.DONE, status_code=200)])
    Registration.objects.update(wanted=True, status="pending", due_at=ago(1))
    settling.settle_all([done(claimed, "99") for claimed in queue.claim(1)])
    settling.settle_all([Result(late, Outcome.DONE, status_code=200)])
    row.refresh_from_db()
    assert (row.status, row.registration_id) == ("registered", "99")


def test_an_answer_for_a_row_that_is_gone_is_dropped(make_due):
    row = make_due()
    (claimed,) = queue.claim(1)
    row.delete()
    settling.settle_all([done(claimed)])
    assert not Attempt.objects.exists()


def test_one_answer_that_cannot_be_written_costs_no_other_its_own(make_due, monkeypatch):
    good, poisoned = make_due(), make_due()
    claimed = {one.row.pk: one for one in queue.claim(2)}
    build = settling.attempt_of

    def poisoned_attempt(row, result):
        if result.body == "poison":
            raise DataError("no database takes this")
        return build(row, result)

    monkeypatch.setattr(settling, "attempt_of", poisoned_attempt)
    settling.settle_all([done(claimed[poisoned.pk], "66", body="poison"), done(claimed[good.pk], "7")])
    good.refresh_from_db()
    poisoned.refresh_from_db()
    assert (good.status, good.registration_id) == ("registered", "7")
    assert (poisoned.status, poisoned.registration_id) == ("registered", "66")
    assert "could not be stored" in poisoned.attempts.get().note


def test_a_database_that_goes_away_while_answers_are_written_apart_costs_none_of_the_rest(
    make_due, monkeypatch
):
    for _ in range(2):
        make_due()
    results = [done(claimed, str(n)) for n, claimed in enumerate(queue.claim(2))]
    settle = settling._settle_group

    def poisoned_then_away(group):
        if len(group) > 1:
            raise DataError("no database takes this")
        if group[0] is results[-1] and len(results) == 1:
            raise OperationalError("away")
        settle(group)

    with monkeypatch.context() as patch:
        patch.setattr(settling, "_settle_group", poisoned_then_away)
        with pytest.raises(OperationalError):
            settling.settle_all(results)
    assert [result.registration_id for result in results] == ["1"]
    settling.settle_all(results)
    assert list(Registration.objects.order_by("pk").values_list("registration_id", flat=True)) == ["0", "1"]


@pytest.fixture
def three(make_due) -> list:
    for _ in range(3):
        make_due()
    return queue.claim(3)


def test_what_was_written_while_the_call_was_open_stands_beside_the_answer(three):
    changed = three[1].row
    Registration.objects.filter(pk=changed.pk).update(wanted=False, unwanted_at=ago(1), trigger="staff")
    settling.settle_all([done(claimed, str(n)) for n, claimed in enumerate(three)])
    rows = Registration.objects.order_by("pk")
    assert [(row.status, row.registration_id) for row in rows] == [
        ("registered", "0"),
        ("cancelling", "1"),
        ("registered", "2"),
    ]
    assert (rows[1].wanted, rows[1].trigger) == (False, "staff")
    assert sorted(Attempt.objects.values_list("answered_id", flat=True)) == ["0", "1", "2"]


def test_rows_that_nobody_has_written_since_the_claim_are_not_read_again_where_that_can_be_told(three):
    with CaptureQueriesContext(connection) as queries:
        settling.settle_all([done(claimed, str(n)) for n, claimed in enumerate(three)])
    table = connection.ops.quote_name(Registration._meta.db_table)
    read = any(query["sql"].startswith("SELECT") and f"FROM {table}" in query["sql"] for query in queries)
    assert read == (connection.vendor != "postgresql")
    assert Registration.objects.filter(status="registered").count() == 3


def test_two_answers_for_one_row_in_one_group_are_both_kept(make_due):
    row = make_due()
    late, repeat = claimed_twice(row)
    settling.settle_all([done(late, "1"), done(repeat, "2")])
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.duplicates) == ("registered", "2", ["1"])
    assert sorted(row.attempts.values_list("answered_id", flat=True)) == ["", "1", "2"]


def test_a_group_that_the_database_gave_up_is_settled_again_from_the_same_answers(three, monkeypatch):
    fails, insert = [OperationalError("database is locked")], settling.insert

    def insert_later(rows, using):
        if fails:
            raise fails.pop()
        insert(rows, using)

    monkeypatch.setattr(settling, "insert", insert_later)
    settling.settle_all([done(claimed, str(n)) for n, claimed in enumerate(three)])
    assert [claimed.row.status for claimed in three] == ["pending"] * 3, "what was claimed stays as it was"
    assert list(Registration.objects.order_by("pk").values_list("status", "registration_id")) == [
        ("registered", "0"),
        ("registered", "1"),
        ("registered", "2"),
    ]
    assert Attempt.objects.count() == 3


@pytest.mark.parametrize("text", ["a NUL \x00", "a lone surrogate \ud800", "long " * 100_000])
def test_texts_that_a_database_may_not_take_cost_no_answer(make_due, text):
    row, other = make_due(), make_due()
    first, second = queue.claim(2)
    settling.settle_all(
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
        patch.setattr(settling, "_settle_group", away)
        with pytest.raises(OperationalError):
            settling.settle_all(results)
    assert len(results) == 1
    settling.settle_all(results)
    row.refresh_from_db()
    assert row.status == "registered"
