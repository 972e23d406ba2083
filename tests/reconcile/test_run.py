"""A run over days: what is told, what is settled, what it leaves alone. The fake Elevate over HTTP, the real database."""

from __future__ import annotations

from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from elevate_integration.comparing import Kind
from elevate_integration.models import Registration
from elevate_integration.reconciled import Discrepancy, ReconciledDay, ReportState
from tests.reconcile.conftest import day_of, differences, posts, reports

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_day_on_which_everything_is_equal(enrol, back, run, elevate):
    enrol(3)
    back()
    before = posts(elevate)
    done = run()
    assert done.is_complete
    assert [(one.day, one.there, one.settled, one.differences) for one in done.days] == [(day_of(), 3, 0, 0)]
    day = ReconciledDay.objects.get()
    assert (day.state, day.whole, day.here, day.there, day.others, day.message) == ("read", True, 3, 3, 0, "")
    assert (day.ids_equal, day.ids_differ, day.members_equal, day.members_differ) == (3, 0, 3, 0)
    assert not Discrepancy.objects.exists()
    assert posts(elevate) == before


def test_a_day_is_asked_for_with_the_days_beside_it_and_politely(enrol, back, run, elevate, waits, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 4.0}
    enrol()
    back()
    run(day_of(), day_of(4))
    assert reports(elevate) == [(f"{day_of(n)} 00:00:00", f"{day_of(n)} 23:59:59") for n in (6, 5, 4, 3)]
    assert waits == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York", "Etc/GMT+12"])
def test_the_time_zone_of_the_site_does_not_matter(enrol, back, run, elevate, zone):
    elevate.reports.zone = ZoneInfo(zone)
    rows = enrol(2)
    back()
    run(day_of(6), day_of(5), day_of(4))
    assert differences() == []
    assert sum(ReconciledDay.objects.values_list("there", flat=True)) == 2
    elevate.change_registration(int(rows[0].registration_id), hidden=True)
    run(day_of(6), day_of(5), day_of(4))
    assert differences() == ["only_here"]


def test_fields_may_come_flat_or_under_other_names(enrol, back, run, elevate, settings):
    elevate.reports.flat = True
    elevate.reports.fields["user.external_id"] = elevate.reports.fields.pop("user.member_id")
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_FIELDS": {"user_id": "user.external_id", "price": ""}}
    enrol()
    back()
    assert run().is_complete
    assert (differences(), ReconciledDay.objects.get().members_equal) == ([], 1)


def test_nothing_is_ever_registered_or_cancelled(proved, enrol, lose, back, run, elevate):
    enrol(3, first=10)
    lose()
    lose(number=2, stored=False)
    elevate.add_registration("ABCD1234", email="walk.in@example.org")
    elevate.change_registration(elevate.registrations[-4].registration_id, hidden=True)
    back()
    before, held = posts(elevate), len(elevate.live())
    run(day_of(6), day_of(5), day_of(4))
    assert differences()
    assert (posts(elevate), len(elevate.live())) == (before, held)


def test_a_dry_run_writes_nothing(proved, lose, back, run):
    row = lose()
    lose(number=2, stored=False)
    back()
    days = list(ReconciledDay.objects.values())
    done = run(dry_run=True)
    assert (done.days[0].settled, done.days[0].differences) == (1, 1)
    row.refresh_from_db()
    assert (row.status, Discrepancy.objects.count()) == ("unconfirmed", 0)
    assert list(ReconciledDay.objects.values()) == days
    assert ReportState.objects.get().lease_token is None


def test_a_host_without_time_zones_compares_the_same(enrol, back, run, elevate, settings):
    settings.USE_TZ = False
    row = enrol(2)[0]
    back()
    elevate.change_registration(int(row.registration_id), hidden=True)
    run()
    assert differences() == ["only_here"]
    assert ReconciledDay.objects.get().here == 2


def test_a_repeat_that_was_due_does_not_go_out_any_more(proved, sell, deliver, back, run, elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 3600.0, "RETRY_CEILING": 3600.0}
    elevate.fail("reset_after_storing")
    invoice = sell(person_id="M-1", email="m1@example.org")
    deliver()
    row = Registration.objects.get(order_ref=str(invoice.pk))
    assert (row.status, row.obstacle) == ("unconfirmed", "")
    back()
    Registration.objects.filter(pk=row.pk).update(due_at=timezone.now())
    before = posts(elevate)
    assert run().days[0].settled == 1
    deliver()
    assert posts(elevate) == before
    assert len([held for held in elevate.live() if held.remote_user_id == "M-1"]) == 1


def test_a_late_answer_after_it_was_settled_adds_nothing(proved, lose, back, run, elevate):
    from elevate_integration.delivery.outcomes import Claimed, Result
    from elevate_integration.delivery.settling import settle_all
    from elevate_integration.lifecycle import Operation, Outcome

    row = lose()
    back()
    run()
    row.refresh_from_db()
    late = Result(
        Claimed(row, Operation.REGISTER, row.attempts.last().claim_token),
        Outcome.DONE,
        registration_id=row.registration_id,
        product_url=elevate.product_url("ABCD1234"),
    )
    settle_all([late])
    row.refresh_from_db()
    assert (row.status, row.duplicates) == ("registered", [])


def test_a_busy_day_costs_queries_by_the_hundred_and_not_by_the_line(
    proved, enrol, back, run, elevate, django_assert_max_num_queries
):
    enrol(40, first=100)
    for number in range(200):
        elevate.add_registration(
            "ABCD1234", email=f"walk.in{number}@example.org", remote_user_id=f"W-{number}"
        )
    back()
    with django_assert_max_num_queries(60):
        assert run().days[0].there == 240
    with django_assert_max_num_queries(260):
        assert run().days[0].differences == 200


def test_the_kinds_that_a_comparison_tells_are_those_that_are_kept():
    assert set(get_args(Kind)) == set(Discrepancy.Kind.values)
