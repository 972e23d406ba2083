"""Registrations with a past: lost workers, refunds and new payments, two orders of one learner, duplicates."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.delivery import queue
from elevate_integration.delivery.sender import make_client, prepare
from elevate_integration.models import Registration
from elevate_integration.reconcile.days import between
from elevate_integration.reconcile.rows import rows_for
from tests.plainshop.models import Invoice
from tests.reconcile.conftest import day_of, differences

pytestmark = pytest.mark.django_db(transaction=True)


def refund(row):
    invoice = Invoice.objects.get(pk=row.order_ref)
    invoice.state = "refunded"
    invoice.save()


def pay_again(row):
    invoice = Invoice.objects.get(pk=row.order_ref)
    invoice.state = "paid"
    invoice.save()


@pytest.mark.parametrize("days", [0, 2])
def test_a_call_of_a_worker_that_was_killed_is_found(proved, sell, back, run, elevate, settings, days):
    """Its lease may have been ended days later, by the next worker."""
    from elevate_integration.sync import sync_order

    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    invoice = sell(person_id="M-1", email="m1@example.org")
    sync_order(str(invoice.pk), trigger="staff")
    (claimed,) = queue.claim(1)
    make_client().register(prepare(claimed))
    Registration.objects.filter(pk=claimed.row.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    assert queue.claim(1) == []
    row = Registration.objects.get(pk=claimed.row.pk)
    assert (row.status, row.attempts.get().started_at) == ("unconfirmed", None)
    back()
    row.attempts.update(finished_at=F("finished_at") + timedelta(days=days))
    run()
    row.refresh_from_db()
    assert (row.status, row.registration_id) == ("registered", str(elevate.registrations[-1].registration_id))


@pytest.mark.parametrize("shown", [False, True])
def test_a_seat_that_is_refunded_and_paid_again_is_no_difference(enrol, deliver, back, run, elevate, shown):
    elevate.reports.cancelled = shown
    row = enrol()[0]
    refund(row)
    deliver()
    deliver()
    pay_again(row)
    deliver()
    row.refresh_from_db()
    assert (row.status, len(elevate.registrations)) == ("registered", 2)
    back()
    run()
    assert differences() == []


@pytest.mark.parametrize("twice", ["new_id", "same_id"])
def test_two_paid_orders_of_one_learner_are_no_difference(enrol, proved, back, run, elevate, twice):
    elevate.register_twice = twice
    enrol()
    enrol()
    back()
    run()
    assert differences() == []
    assert set(Registration.objects.values_list("status", flat=True)) == {"registered"}


@pytest.mark.parametrize("shown", [False, True])
def test_a_duplicate_that_staff_had_cancelled_is_no_difference_any_more(
    proved, sell, deliver, back, run, elevate, shown
):
    elevate.fail("reset_after_storing", times=2)
    sell(person_id="M-1", email="m1@example.org")
    deliver()
    back()
    run()
    assert differences() == ["twice"]
    (made,) = staff.cancel_duplicates([one.name for one in staff.duplicates()], actor="tina")
    deliver()
    made.refresh_from_db()
    assert made.status == "cancelled"
    elevate.reports.cancelled = shown
    run()
    assert differences() == []


def test_a_row_that_is_settled_and_vanishes_from_the_report_is_missing(proved, lose, back, run, elevate):
    row = lose()
    back()
    run()
    row.refresh_from_db()
    Registration.objects.filter(pk=row.pk).update(registered_at=row.created_at + timedelta(hours=1))
    elevate.change_registration(int(row.registration_id), hidden=True)
    run()
    assert differences() == ["only_here"]


def test_a_transferred_registration_is_known_by_its_proved_id(proved, enrol, back, run, elevate):
    row = enrol()[0]
    back()
    elevate.change_registration(int(row.registration_id), email="new@example.org", remote_user_id="X-9")
    run()
    assert differences() == []


def test_a_transferred_registration_is_told_from_both_sides_before_that(enrol, back, run, elevate):
    row = enrol()[0]
    back()
    elevate.change_registration(int(row.registration_id), email="new@example.org", remote_user_id="X-9")
    run()
    assert sorted(differences()) == ["only_here", "only_there"]


def test_a_held_registration_of_elsewhere_is_told_beside_the_line(sell, deliver, back, run, elevate):
    sell(person_id="", email="m1@example.org")
    deliver()
    assert Registration.objects.get().status == "held"
    elevate.add_registration("ABCD1234", email="m1@example.org")
    back()
    run()
    assert differences(registration__status="held") == ["only_there"]


def test_a_renumbered_member_is_still_recognised(proved, enrol, back, run, elevate):
    from elevate_integration.identity import identity_changed

    row = enrol()[0]
    back()
    identity_changed("M-1", "N-1")
    elevate.change_registration(int(row.registration_id), remote_user_id="N-1")
    run()
    assert differences() == []


def test_a_celery_or_task_worker_begins_the_nightly_comparison_too(
    enrol, back, elevate, settings, monkeypatch
):
    from elevate_integration.delivery.dispatchers.batch import run_batch
    from elevate_integration.reconcile import nightly
    from elevate_integration.reconciled import ReconciledDay, ReportState

    enrol()
    back(1)
    hour_ago = timezone.localtime() - timedelta(hours=1)
    settings.ELEVATE = {
        **settings.ELEVATE, "RECONCILE_AT": f"{hour_ago:%H:%M}", "GO_LIVE": str(day_of(2)), "REPORT_PAUSE": 0.0,
    }  # fmt: skip
    monkeypatch.setattr(nightly._Looked, "at", float("-inf"))
    ReportState.objects.create(site=elevate.url, scheduled_at=timezone.now() - timedelta(days=1, hours=2))
    run_batch()
    nightly.finish()
    assert ReconciledDay.objects.filter(state="read").exists()
    assert ReportState.objects.get().lease_token is None


def test_doubts_from_before_a_certain_answer_count_no_more(sell, deliver, elevate, settings):
    elevate.fail("reset_after_storing")
    row = Registration.objects.filter(order_ref=str(sell().pk))
    deliver()
    assert row.get().status == "registered"
    refund(row.get())
    deliver()
    deliver()
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    elevate.fail("reset_after_storing")
    pay_again(row.get())
    deliver()
    assert [attempt.outcome for attempt in row.get().attempts.order_by("pk")] == [
        "unknown", "done", "done", "unknown",
    ]  # fmt: skip
    (ours,) = rows_for(elevate.url, day_of(0), [])
    assert (len(ours.lost), ours.in_doubt) == (1, True)


def test_an_imported_registration_is_known_by_its_proved_id_alone(proved, enrol, back, run, elevate):
    row = enrol()[0]
    back()
    row.attempts.all().delete()
    Registration.objects.filter(pk=row.pk).update(registered_at=timezone.now())
    elevate.change_registration(int(row.registration_id), email="new@example.org", remote_user_id="X-9")
    run()
    assert differences() == []


def test_a_second_one_long_after_is_known_by_the_proved_user_id(proved, enrol, back, run, elevate):
    row = enrol()[0]
    back(10)
    elevate.add_registration("ABCD1234", email="new@example.org", remote_user_id="M-1")
    back()
    run()
    assert differences(registration=row) == ["twice"]


def test_found_on_a_day_far_from_the_end_of_its_doubt_is_not_missing_at_that_end(lose, back, run, elevate):
    row = lose(stored=False)
    back()
    Registration.objects.update(created_at=F("created_at") - timedelta(hours=1))
    row.attempts.update(started_at=None, finished_at=F("finished_at") + timedelta(days=3))
    run(*between(day_of(7), day_of(1)))
    assert differences(day__day=day_of(2)) == ["not_found"]
    elevate.change_registration(elevate.registrations[-1].registration_id, hidden=False)
    run(day_of(5))
    assert differences() == ["found"]
    run(day_of(2))
    assert differences(day__day=day_of(5)) == ["found"]
    assert differences() == ["found"]
