"""One run at a time, and a run that was stopped, killed or overtaken goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from elevate_integration.models import Registration, database
from elevate_integration.reconcile import days as days_module
from elevate_integration.reconcile import lease as leases
from elevate_integration.reconcile.days import between, last_days, not_done
from elevate_integration.reconcile.results import Busy
from elevate_integration.reconcile.run import Step
from elevate_integration.reconciled import Discrepancy, ReconciledDay, ReportState
from tests.reconcile.conftest import REPORTS, day_of, differences, reports
from tests.threads import LONG, beside

pytestmark = pytest.mark.django_db(transaction=True)


class TestTheLease:
    def test_keeps_a_second_run_away(self, run, elevate):
        lease = leases.take(elevate.url)
        assert lease is not None
        assert leases.is_taken(elevate.url)
        with pytest.raises(Busy):
            run()
        assert reports(elevate) == []
        lease.release()
        assert not leases.is_taken(elevate.url)
        assert run().is_complete

    def test_goes_to_one_of_many_who_come_at_once(self, elevate):
        ready, taken = threading.Barrier(4), []

        def take():
            ready.wait(LONG)
            taken.append(leases.take(elevate.url))

        with ExitStack() as crowd:
            for _ in range(4):
                crowd.enter_context(beside(take))
        assert len([lease for lease in taken if lease is not None]) == 1

    def test_of_a_lost_process_runs_out(self, run, elevate):
        lost = leases.take(elevate.url)
        ReportState.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert run().is_complete
        with pytest.raises(leases.Lost):
            lost.keep()

    def test_is_renewed_by_every_call(self, run, elevate):
        until = []

        def look(path, fields):
            until.append(ReportState.objects.values_list("lease_until", flat=True).get())
            # The fake answers in a thread of its own.
            connections.close_all()

        elevate.on_call = look
        run()
        assert len(until) == 3
        assert until == sorted(set(until))

    def test_is_let_go_of_when_the_run_breaks_off(self, run, elevate, monkeypatch):
        from elevate_integration.reconcile import run as running

        def broken(*args):
            raise RuntimeError("broken")

        monkeypatch.setattr(running, "rows_for", broken)
        with pytest.raises(RuntimeError):
            run()
        assert not leases.is_taken(elevate.url)

    def test_that_was_lost_lets_nothing_be_written(self, enrol, back, run, elevate):
        row = enrol()[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)

        def overtaken(seconds):
            ReportState.objects.update(lease_token=None, lease_until=None)
            assert leases.take(elevate.url)
            return False

        done = run(wait=overtaken)
        assert (done.days, done.left) == ([], 1)
        assert "another process" in done.stopped
        assert not ReconciledDay.objects.exists()

    def test_that_is_lost_while_a_day_is_compared_lets_it_not_be_written(
        self, enrol, back, run, elevate, monkeypatch
    ):
        from elevate_integration.reconcile import run as running

        enrol()
        back()
        read = running.rows_for

        def overtaken(*args):
            ReportState.objects.update(lease_token=None, lease_until=None)
            assert leases.take(elevate.url)
            return read(*args)

        monkeypatch.setattr(running, "rows_for", overtaken)
        assert run().left == 1
        assert not ReconciledDay.objects.exists()

    def test_that_was_lost_lets_nothing_more_be_settled(self, proved, lose, back, run, elevate, monkeypatch):
        from elevate_integration.reconcile import run as running

        for number in (1, 2):
            lose(number=number)
        back()
        settle = running.settle_found

        def settle_and_be_overtaken(*args):
            ReportState.objects.update(lease_token=None, lease_until=None)
            assert leases.take(elevate.url)
            return settle(*args)

        monkeypatch.setattr(running, "settle_found", settle_and_be_overtaken)
        assert "another process" in run().stopped
        assert Registration.objects.filter(status="unconfirmed").count() == 1


class TestGoingOn:
    def test_what_is_done_is_not_read_again(self, run, elevate):
        wanted = between(day_of(12), day_of(8))
        run(*wanted[:2])
        assert not_done(wanted, elevate.url) == wanted[2:]
        run(*wanted[2:])
        assert not_done(wanted, elevate.url) == []

    def test_a_run_that_is_asked_to_stop_ends_between_two_calls(self, run, elevate, settings):
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 4.0}
        calls = []

        def stop_at_the_fifth(seconds):
            calls.append(seconds)
            return len(calls) == 5

        wanted = between(day_of(12), day_of(4))
        done = run(*wanted, wait=stop_at_the_fifth)
        assert ([one.day for one in done.days], done.left) == (wanted[:3], 6)
        assert "asked to stop" in done.stopped
        assert not leases.is_taken(elevate.url)
        assert not_done(wanted, elevate.url) == wanted[3:]

    def test_steps_are_told(self, run, elevate):
        steps: list[Step] = []
        wanted = between(day_of(6), day_of(5))
        run(*wanted, told=steps.append)
        assert [(step.day, step.done, step.total) for step in steps] == [
            (wanted[0], 0, 2), (wanted[1], 1, 2), (wanted[1], 2, 2),
        ]  # fmt: skip
        assert [step.last.day if step.last else None for step in steps] == [None, *wanted]

    def test_unread_and_half_read_days_are_read_again(self, run, elevate):
        elevate.fail("html", times=2, path=REPORTS)
        run()
        assert not_done([day_of()], elevate.url) == [day_of()]
        run()
        assert not_done([day_of()], elevate.url) == []
        elevate.fail("html", times=None, path=REPORTS)
        run()
        assert not_done([day_of()], elevate.url) == [day_of()]

    def test_a_day_is_done_once_it_is_over_everywhere(self, run, elevate):
        run()
        over = datetime.combine(day_of(4), datetime.min.time(), UTC) + timedelta(hours=13)
        ReconciledDay.objects.update(read_at=over - timedelta(seconds=1))
        assert not_done([day_of()], elevate.url) == [day_of()]
        ReconciledDay.objects.update(read_at=over)
        assert not_done([day_of()], elevate.url) == []

    def test_what_was_done_with_another_site_counts_nothing(self, run):
        run()
        assert not_done([day_of()], "https://other.example.org") == [day_of()]

    def test_a_day_found_while_its_settling_crashed_is_gone_on_with(
        self, proved, lose, back, run, elevate, monkeypatch
    ):
        from elevate_integration.reconcile import run as running

        rows = [lose(number=number) for number in (1, 2)]
        back()
        settle = running.settle_found
        done = []

        def crash_at_the_second(*args):
            if done:
                raise KeyboardInterrupt
            done.append(args)
            return settle(*args)

        monkeypatch.setattr(running, "settle_found", crash_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            run()
        monkeypatch.setattr(running, "settle_found", settle)
        assert not ReconciledDay.objects.filter(day=day_of()).exists()
        assert run().days[0].settled == 1
        for row in rows:
            row.refresh_from_db()
            assert row.status == "registered"
            assert row.attempts.filter(trigger="reconcile").count() == 1
        assert differences() == []

    def test_a_failed_write_leaves_the_day_as_it_was(self, enrol, back, run, elevate, monkeypatch):
        from elevate_integration.reconcile import recording

        row = enrol()[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)

        def broken(*args):
            raise RuntimeError("broken")

        monkeypatch.setattr(recording, "_close_settled", broken)
        with pytest.raises(RuntimeError):
            run()
        assert not ReconciledDay.objects.exists()
        assert not Discrepancy.objects.exists()


class TestTheDays:
    def test_the_last_ones_end_yesterday(self, settings, monkeypatch):
        monkeypatch.setattr(days_module, "today", lambda: day_of(0))
        settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": "2020-01-01"}
        assert last_days(3) == [day_of(3), day_of(2), day_of(1)]
        assert len(last_days()) == 30

    def test_none_lies_before_the_go_live_date(self, settings, monkeypatch):
        monkeypatch.setattr(days_module, "today", lambda: day_of(0))
        settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": str(day_of(2))}
        assert last_days() == [day_of(2), day_of(1)]
        settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": str(day_of(-2))}
        assert last_days() == []

    def test_without_such_a_date_thirty_count(self, settings):
        settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": None}
        assert len(last_days()) == 30


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_that_is_killed_leaves_a_run_that_another_one_ends(elevate, run, tmp_path):
    """The process is killed while its fifth report is open, with two days written down."""
    settings = tmp_path / "killed_settings.py"
    name = connections[database()].settings_dict["NAME"]
    settings.write_text(
        "from tests.settings import *\n"
        f"DATABASES['default']['NAME'] = {str(name)!r}\n"
        f"ELEVATE = {{**ELEVATE, 'URL': {elevate.url!r}, 'REPORT_PAUSE': 0.0}}\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "killed_settings",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}",
    }
    started: list[subprocess.Popen[bytes]] = []

    def kill_at_the_fifth(path, fields):
        if len(reports(elevate)) == 5:
            started[0].kill()
            started[0].wait()

    elevate.on_call = kill_at_the_fifth
    command = [
        sys.executable,
        "-m",
        "django",
        "elevate_reconcile",
        "--since",
        str(day_of(20)),
        "--until",
        str(day_of(10)),
    ]
    started.append(
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    )
    output, _ = started[0].communicate(timeout=60)
    elevate.on_call = None
    assert started[0].returncode == -signal.SIGKILL, output.decode()
    wanted = between(day_of(20), day_of(10))
    assert not_done(wanted, elevate.url) == wanted[2:]
    with pytest.raises(Busy):
        run(*wanted)
    ReportState.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run(*not_done(wanted, elevate.url)).is_complete
    assert not_done(wanted, elevate.url) == []
