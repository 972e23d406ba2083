"""The comparison that comes by itself: when it is due, who does it, and that delivery does not wait for it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Registration
from elevate_integration.reconcile import lease as leases
from elevate_integration.reconcile import nightly
from elevate_integration.reconciled import ReconciledDay, ReportState
from tests.reconcile.conftest import REPORTS, reports
from tests.threads import LONG, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_night(settings, elevate, monkeypatch):
    """RECONCILE_AT an hour ago, and a store that went live two days ago; the last comparison was a day before."""
    hour_ago = timezone.localtime() - timedelta(hours=1)
    go_live = (datetime.now(UTC) - timedelta(days=2)).date()
    settings.ELEVATE = {
        **settings.ELEVATE,
        "RECONCILE_AT": f"{hour_ago:%H:%M}",
        "GO_LIVE": str(go_live),
        "REPORT_PAUSE": 0.0,
    }
    monkeypatch.setattr(nightly._Looked, "at", float("-inf"))
    monkeypatch.setattr(nightly, "_background", nightly.Background())
    ReportState.objects.create(site=elevate.url, scheduled_at=timezone.now() - timedelta(days=1, hours=2))
    yield
    nightly.stop()
    nightly.finish()


def scheduled_at():
    return ReportState.objects.values_list("scheduled_at", flat=True).get()


class TestWhenItIsDue:
    def test_since_the_time_came_round(self, at_night):
        assert nightly.is_due()
        ReportState.objects.update(scheduled_at=timezone.now() - timedelta(minutes=30))
        assert not nightly.is_due()

    def test_a_night_that_was_missed_is_made_up_for(self, at_night, settings):
        later = timezone.localtime() + timedelta(hours=2)
        settings.ELEVATE = {**settings.ELEVATE, "RECONCILE_AT": f"{later:%H:%M}"}
        ReportState.objects.update(scheduled_at=timezone.now() - timedelta(hours=21))
        assert not nightly.is_due()
        ReportState.objects.update(scheduled_at=timezone.now() - timedelta(hours=23))
        assert nightly.is_due()

    def test_never_without_the_setting(self, at_night, settings):
        settings.ELEVATE = {**settings.ELEVATE, "RECONCILE_AT": ""}
        assert not nightly.is_due()
        nightly.look()
        assert nightly.run_if_due() is None

    def test_the_first_one_is_that_of_the_coming_night(self, at_night):
        ReportState.objects.all().delete()
        assert not nightly.is_due()
        assert scheduled_at() is not None
        ReportState.objects.update(scheduled_at=timezone.now() - timedelta(hours=2))
        assert nightly.is_due()

    def test_without_time_zones_too(self, at_night, settings):
        settings.USE_TZ = False
        assert nightly.is_due()
        ReportState.objects.update(scheduled_at=timezone.now())
        assert not nightly.is_due()


class TestTheRun:
    def test_reads_the_days_that_are_not_done_once(self, at_night, elevate):
        done = nightly.run_if_due()
        assert [one.day for one in done.days] == sorted(ReconciledDay.objects.values_list("day", flat=True))
        assert 1 <= len(done.days) <= 3
        assert scheduled_at() > timezone.now() - timedelta(minutes=5)
        asked = len(reports(elevate))
        assert nightly.run_if_due() is None
        assert len(reports(elevate)) == asked

    def test_a_day_that_cannot_be_read_does_not_come_again_the_same_night(self, at_night, elevate):
        elevate.fail("garbage", times=None, path=REPORTS)
        assert not nightly.run_if_due().is_complete
        assert not nightly.is_due()

    def test_leaves_alone_who_compares_already(self, at_night, elevate):
        lease = leases.take(elevate.url)
        assert nightly.run_if_due() is None
        assert nightly.is_due()
        lease.release()
        assert nightly.run_if_due() is not None

    def test_that_is_stopped_is_still_due(self, at_night, elevate, settings):
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 30.0}
        nightly._background.stopping.set()
        assert "asked to stop" in nightly.run_if_due().stopped
        assert nightly.is_due()
        assert not leases.is_taken(elevate.url)


class TestWhoDelivers:
    def test_once_compares_before_it_ends(self, at_night, elevate):
        call_command("elevate_worker", "--once")
        assert reports(elevate)
        assert ReconciledDay.objects.exists()
        assert not nightly.is_due()

    def test_an_inline_delivery_does_not(self, at_night, elevate, deliver):
        deliver()
        assert not reports(elevate)

    def test_delivers_while_a_report_is_open(self, at_night, elevate, sell):
        asked, answer, registered = threading.Event(), threading.Event(), threading.Event()

        def hold(path, fields):
            if path == REPORTS:
                asked.set()
                answer.wait(LONG)
            else:
                registered.set()

        elevate.on_call = hold
        worker = Worker(threads=1, poll=0.05)
        try:
            with running(worker):
                assert asked.wait(LONG)
                sell()
                worker.wake()
                assert registered.wait(LONG)
                assert not ReconciledDay.objects.exists()
                answer.set()
                nightly.finish()
        finally:
            answer.set()
        assert Registration.objects.get().status == "registered"
        assert ReconciledDay.objects.exists()

    def test_that_is_stopped_does_not_wait_for_the_report(self, at_night, elevate, monkeypatch):
        monkeypatch.setattr(nightly._background, "farewell", 0.01)
        asked, answer = threading.Event(), threading.Event()

        def hold(path, fields):
            asked.set()
            answer.wait(LONG)

        elevate.on_call = hold
        try:
            with running(Worker(threads=1, poll=0.05)):
                assert asked.wait(LONG)
            assert nightly._background.is_busy()
        finally:
            answer.set()
            nightly.finish()
        assert nightly.is_due()

    def test_looks_at_the_clock_once_a_minute(self, at_night, monkeypatch, django_assert_num_queries):
        ReportState.objects.update(scheduled_at=timezone.now())
        nightly.look()
        with django_assert_num_queries(0):
            nightly.look()

    def test_what_breaks_off_is_logged_and_due_again(self, at_night, elevate, monkeypatch, caplog):
        def broken(*args, **options):
            raise RuntimeError("broken")

        monkeypatch.setattr(nightly, "run_under", broken)
        nightly.look()
        nightly.finish()
        assert "broke off" in caplog.text
        assert nightly.is_due()
        assert not leases.is_taken(elevate.url)
