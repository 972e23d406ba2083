"""One day because somebody asked for it on a page."""

from __future__ import annotations

import threading

import pytest

from elevate_integration.reconcile import button
from elevate_integration.reconcile import lease as leases
from elevate_integration.reconcile.results import Busy
from elevate_integration.reconciled import ReconciledDay
from tests.reconcile.conftest import REPORTS, day_of
from tests.threads import LONG

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, elevate):
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 0.0}


def test_a_day_is_compared_while_the_caller_waits(enrol, back):
    enrol(2)
    back()
    done = button.compare_day(day_of())
    assert (done.is_read, done.there, done.differences) == (True, 2, 0)
    assert not button.is_comparing()


def test_it_is_read_again_although_it_is_done(enrol, back, elevate):
    button.compare_day(day_of())
    first = ReconciledDay.objects.get().read_at
    button.compare_day(day_of())
    assert ReconciledDay.objects.get().read_at > first


def test_a_thread_compares_and_the_caller_goes_on(elevate):
    answer = threading.Event()
    elevate.on_call = lambda path, fields: answer.wait(LONG)
    try:
        assert button.start_day(day_of())
        assert button.is_comparing()
        assert not button.start_day(day_of(4))
        with pytest.raises(Busy):
            button.compare_day(day_of(4))
    finally:
        answer.set()
        button.join()
    assert not button.is_comparing()
    assert ReconciledDay.objects.get().day == day_of()


def test_somebody_elses_run_is_not_disturbed(elevate):
    lease = leases.take(elevate.url)
    assert not button.start_day(day_of())
    lease.release()
    assert button.start_day(day_of())
    button.join()
    assert ReconciledDay.objects.exists()


def test_a_day_that_cannot_be_read_says_so(elevate):
    elevate.fail("garbage", times=None, path=REPORTS)
    assert button.start_day(day_of())
    button.join()
    assert ReconciledDay.objects.get().state == "unread"
    assert not button.compare_day(day_of()).is_read


def test_who_is_forestalled_in_his_own_process_leaves_the_site_free(elevate, monkeypatch):
    began, may_end, take = threading.Event(), threading.Event(), leases.take

    def take_too_late(site):
        lease = take(site)
        assert button._background.start(lambda: (began.set(), may_end.wait(LONG)))
        return lease

    monkeypatch.setattr(leases, "take", take_too_late)
    try:
        assert not button.start_day(day_of())
        assert began.wait(LONG)
        assert not button.is_comparing()
    finally:
        may_end.set()
        button.join()
    assert not ReconciledDay.objects.exists()
