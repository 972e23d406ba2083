"""Reading a day of the report: cut answers, hurry, and every answer that is none."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.core.exceptions import ImproperlyConfigured

from elevate_integration.models import Registration
from elevate_integration.reconcile.days import between
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from tests.reconcile.conftest import REPORTS, day_of, differences, reports

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def spread(enrol, back, elevate):
    """Ten registrations over the whole day, at its first and last second too."""

    def make():
        rows = enrol(10)
        back()
        first = elevate.registrations[0].registered_at.replace(hour=0, minute=0, second=0, microsecond=0)
        moments = [first + timedelta(hours=2 * n) for n in range(9)] + [first + timedelta(seconds=86399)]
        for row, moment in zip(rows, moments, strict=True):
            elevate.change_registration(int(row.registration_id), registered_at=moment)
        return rows

    return make


class TestCutAnswers:
    @pytest.mark.parametrize("limit", [1, 2, 3, 9])
    def test_are_asked_for_in_halves_until_every_line_is_there(self, spread, run, elevate, limit):
        spread()
        elevate.reports.limit = limit
        assert run().is_complete
        assert (ReconciledDay.objects.get().there, differences()) == (10, [])

    def test_halves_neither_overlap_nor_leave_a_gap(self, spread, run, elevate):
        spread()
        elevate.reports.limit = 2
        run()
        asked = [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in reports(elevate)]
        of_day = sorted(pair for pair in asked if pair[0].date() == day_of())
        leaves = [
            pair
            for pair in of_day
            if not any(pair != o and pair[0] <= o[0] and o[1] <= pair[1] for o in of_day)
        ]
        assert (leaves[0][0].time().isoformat(), leaves[-1][1].time().isoformat()) == ("00:00:00", "23:59:59")
        assert all(later[0] - earlier[1] == timedelta(seconds=1) for earlier, later in pairwise(leaves))

    def test_a_pause_lies_between_the_halves(self, spread, run, elevate, waits, settings):
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 4.0}
        spread()
        elevate.reports.limit = 5
        run()
        assert len(waits) == len(reports(elevate)) - 1
        assert set(waits) == {4.0}

    def test_an_answer_that_stops_before_its_end_is_halved_too(self, spread, run, elevate):
        spread()
        elevate.fail("close_half", times=4, path=REPORTS)
        assert run().is_complete
        assert (ReconciledDay.objects.get().there, differences()) == (10, [])
        # A day, its first half, and its first quarter: each of the first two twice.
        assert len(reports(elevate)) == 2 + 2 + 3 + 2

    def test_one_that_stops_however_short_the_time_ends_the_day(self, spread, run, elevate):
        spread()
        elevate.fail("close_half", times=None, path=REPORTS)
        assert "stopped before its end" in run().days[0].message
        # Three days, each halved seven times, and each stretch asked for twice.
        assert len(reports(elevate)) == 3 * 2 * 8

    def test_a_second_that_is_still_cut_could_not_be_read(self, enrol, back, run, elevate):
        rows = enrol(3)
        back()
        moment = elevate.registrations[0].registered_at.replace(microsecond=0)
        for row in rows:
            elevate.change_registration(int(row.registration_id), registered_at=moment)
        elevate.reports.limit = 2
        done = run()
        day = ReconciledDay.objects.get()
        assert (day.state, done.is_complete, differences()) == ("unread", False, [])
        assert f"3 registrations at {moment:%Y-%m-%d %H:%M:%S} and gives only 2" in day.message
        assert len(reports(elevate)) < 45


class TestHurry:
    def test_is_answered_by_waiting_longer_each_time(self, enrol, back, run, elevate, waits, settings):
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 4.0}
        enrol()
        back()
        elevate.fail("status", times=3, path=REPORTS, status=429)
        assert run().is_complete
        before_first = waits[: len(waits) - 2]
        assert sum(before_first) >= 8 + 32 + 128
        assert waits[-2:] == [32.0, 32.0]

    def test_what_elevate_asks_for_is_waited(self, enrol, back, run, elevate, waits):
        enrol()
        back()
        elevate.fail("status", times=1, path=REPORTS, status=429, headers={"Retry-After": "150"})
        assert run().is_complete
        assert sum(waits) >= 150
        assert max(waits) <= 60

    def test_that_does_not_end_ends_the_run(self, enrol, back, run, elevate):
        enrol()
        back()
        elevate.fail("status", times=None, path=REPORTS, status=429)
        done = run(day_of(), day_of(4))
        assert "asked too soon" in done.stopped
        assert (done.left, len(reports(elevate))) == (1, 6)
        assert [day.day for day in ReconciledDay.objects.all()] == [day_of()]
        assert ReconciledDay.objects.get().state == "unread"

    def test_of_an_hour_is_not_waited_for(self, enrol, back, run, elevate, waits):
        enrol()
        back()
        elevate.fail("status", times=1, path=REPORTS, status=503, headers={"Retry-After": "3600"})
        assert not run().is_complete
        assert waits == []

    def test_the_fake_turns_away_who_does_not_pause(self, enrol, back, run, elevate):
        enrol()
        back()
        elevate.reports.pause, elevate.reports.retry_after = 30.0, 30
        done = run()
        assert not done.is_complete
        assert differences() == []


class TestUnreadable:
    @pytest.mark.parametrize(
        ("fault", "options"),
        [
            ("html", {}),
            ("garbage", {}),
            ("wrong_type", {}),
            ("close_half", {}),
            ("status", {"status": 500}),
            ("status", {"status": 200, "body": "{}"}),
            ("status", {"status": 200, "body": '{"response": {"items": []}}'}),
            ("status", {"status": 200, "body": '{"response": {"items": [{}], "count": 1}}'}),
            ("refuse", {"message": "No."}),
        ],
    )
    def test_is_never_missing(self, enrol, back, run, elevate, fault, options):
        enrol(2)
        back()
        elevate.fail(fault, times=None, path=REPORTS, **options)
        done = run()
        day = ReconciledDay.objects.get()
        assert (day.state, day.whole, done.is_complete) == ("unread", False, False)
        assert day.message
        assert not Discrepancy.objects.exists()
        assert set(Registration.objects.values_list("status", flat=True)) == {"registered"}

    def test_for_once_is_asked_for_again(self, enrol, back, run, elevate):
        enrol()
        back()
        elevate.fail("html", times=1, path=REPORTS)
        elevate.fail("reset_before_reading", times=2, path=REPORTS)
        assert run().is_complete

    def test_nobody_there_ends_the_run(self, enrol, back, run, elevate):
        enrol()
        back()
        elevate.stop()
        done = run(day_of(), day_of(4))
        assert (done.left, ReconciledDay.objects.count()) == (1, 1)
        assert "not read" in done.stopped

    def test_a_day_that_was_read_before_keeps_its_differences(self, enrol, back, run, elevate):
        row = enrol(2)[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)
        run()
        elevate.fail("garbage", times=None, path=REPORTS)
        run()
        day = ReconciledDay.objects.get()
        assert (day.state, day.there, day.ids_equal, differences()) == ("unread", 1, 1, ["only_here"])

    def test_three_days_in_a_row_end_the_run(self, enrol, back, run, elevate):
        enrol()
        back(20)
        elevate.fail("garbage", times=None, path=REPORTS)
        done = run(*between(day_of(20), day_of(11)))
        assert (len(done.days), done.left) == (3, 7)

    def test_a_day_between_is_passed_over(self, enrol, back, run, elevate):
        rows = enrol(3)
        back(6)
        moment = elevate.registrations[0].registered_at
        for row in rows:
            elevate.change_registration(int(row.registration_id), registered_at=moment)
        elevate.reports.limit = 2
        done = run(*between(day_of(8), day_of(4)))
        assert [one.is_read for one in done.days] == [True, True, False, True, True]
        assert [bool(one.beside) for one in done.days] == [False, True, False, True, False]
        assert (done.left, [one.day for one in done.unread]) == (0, [day_of(7), day_of(6), day_of(5)])

    def test_other_days_than_those_asked_for_are_refused(self, enrol, back, run, elevate):
        enrol(2)
        back()
        elevate.reports.fields["transaction_at"] = lambda row: f"{day_of(45)} 12:00:00"
        elevate.reports._filter = lambda filters: lambda row: True
        done = run(day_of(), day_of(4))
        assert "does not follow the filter" in done.days[0].message
        assert (done.left, differences()) == (1, [])


class TestSettingsThatDoNotFit:
    @pytest.mark.parametrize("status", [500, 200])
    def test_a_wrong_field_is_named_and_ends_the_run(self, enrol, back, run, elevate, settings, status):
        elevate.reports.error_status = status
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_FIELDS": {"user_id": "user.external_id"}}
        enrol()
        back()
        done = run(day_of(), day_of(4))
        assert (done.left, len(reports(elevate))) == (1, 1)
        message = ReconciledDay.objects.get().message
        assert 'no field "user.external_id"' in message
        assert 'Set "user_id" in REPORT_FIELDS' in message
        assert differences() == []

    def test_a_wrong_path_ends_the_run(self, enrol, back, run, elevate, settings):
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_PATH": "/api/nothing"}
        enrol()
        back()
        assert run(day_of(), day_of(4)).left == 1
        assert "REPORT_PATH" in ReconciledDay.objects.get().message

    def test_a_wrong_key_ends_the_run_and_is_never_told(self, enrol, back, run, elevate, settings, caplog):
        enrol()
        back()
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_KEY": "wrong-secret"}
        assert run(day_of(), day_of(4)).left == 1
        message = ReconciledDay.objects.get().message
        assert "REPORT_KEY" in message
        assert "wrong-secret" not in message + caplog.text

    def test_a_key_of_its_own_is_used(self, enrol, back, run, elevate, settings):
        elevate.reports.key = "report-key"
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_KEY": "report-key"}
        enrol()
        back()
        assert run().is_complete

    def test_no_personal_data_is_logged(self, enrol, back, run, elevate, caplog):
        caplog.set_level("DEBUG", logger="elevate_integration")
        row = enrol()[0]
        elevate.add_registration("ABCD1234", email="walk.in@example.org", remote_user_id="W-9")
        elevate.change_registration(int(row.registration_id), hidden=True)
        back()
        elevate.fail("html", times=1, path=REPORTS)
        run()
        ours = "\n".join(record.getMessage() for record in caplog.records if "elevate" in record.name)
        assert "could not be read" in ours
        assert not any(secret in ours for secret in ("walk.in", "W-9", "m1@", "test-key"))

    @pytest.mark.parametrize("value", ["3:10", "24:00", "03:60", "noon", "03:10:00", 310])
    def test_a_time_that_is_none_is_an_error(self, settings, value):
        from elevate_integration.conf import parse

        with pytest.raises(ImproperlyConfigured, match="RECONCILE_AT"):
            parse({"RECONCILE_AT": value})
        assert parse({"RECONCILE_AT": " 03:10 "}).reconcile_at == "03:10"
