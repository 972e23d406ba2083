"""`elevate_reconcile`: which days, what it prints, and its exit status."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from elevate_integration.models import Registration
from elevate_integration.reconcile import lease as leases
from elevate_integration.reconcile.days import between
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from tests.reconcile.conftest import *  # noqa: F403 - the fixtures of a store with a past
from tests.reconcile.conftest import REPORTS, day_of, reports

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, elevate):
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 0.0}


def reconcile(*options, stderr=None):
    out = StringIO()
    call_command("elevate_reconcile", *options, stdout=out, stderr=stderr or StringIO())
    return out.getvalue()


class Terminal(StringIO):
    def isatty(self):
        return True


def days():
    return list(ReconciledDay.objects.order_by("day").values_list("day", flat=True))


def test_one_day(enrol, back, elevate):
    row = enrol(2)[0]
    back()
    elevate.change_registration(int(row.registration_id), hidden=True)
    printed = reconcile("--day", str(day_of()))
    assert f"{day_of()}: 1 at Elevate, 0 lost answers found, 1 differences (only_here 1)." in printed
    assert "1 days compared, 0 lost answers found, 1 differences wait for staff." in printed
    assert days() == [day_of()]
    reconcile("--day", str(day_of()))
    assert len(reports(elevate)) == 6


def test_a_stretch_of_days_is_read_once_unless_asked_again(elevate):
    stretch = ["--since", str(day_of(8)), "--until", str(day_of(6))]
    reconcile(*stretch)
    assert days() == between(day_of(8), day_of(6))
    asked = len(reports(elevate))
    assert asked == 5
    assert "Every day is compared" in reconcile(*stretch)
    assert len(reports(elevate)) == asked
    reconcile(*stretch, "--again")
    assert len(reports(elevate)) == 2 * asked


def test_without_a_last_day_it_goes_up_to_yesterday(elevate):
    reconcile("--since", str(day_of(3)))
    assert len(days()) in (2, 3, 4)
    assert days()[0] == day_of(3)


def test_by_default_the_last_days_count(elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": "2020-01-01"}
    reconcile("--days", "3")
    assert len(days()) == 3
    reconcile()
    assert len(days()) == 30


def test_lines_are_plain_where_nobody_watches(elevate):
    errors = StringIO()
    reconcile("--day", str(day_of()), stderr=errors)
    assert errors.getvalue() == ""


def test_a_bar_is_drawn_on_a_terminal(elevate):
    errors = Terminal()
    reconcile("--since", str(day_of(8)), "--until", str(day_of(7)), stderr=errors)
    assert f"[..............................] 0 of 2 days, at {day_of(8)}" in errors.getvalue()
    assert f"[###############...............] 1 of 2 days, at {day_of(7)}" in errors.getvalue()
    assert errors.getvalue().endswith("\033[K")


def test_a_day_that_cannot_be_read_ends_with_1(elevate):
    elevate.fail("garbage", times=None, path=REPORTS)
    with pytest.raises(CommandError, match="1 days could not be read") as raised:
        reconcile("--day", str(day_of()))
    assert raised.value.returncode == 1


def test_a_day_beside_it_that_cannot_be_read_does_too(elevate):
    elevate.fail("garbage", times=2, path=REPORTS)
    with pytest.raises(CommandError, match="1 days could not be read"):
        reconcile("--day", str(day_of()))


def test_a_run_that_stops_says_why_and_how_much_is_left(elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_KEY": "wrong"}
    with pytest.raises(CommandError, match=r"REPORT_KEY.*\n?.*3 days are left"):
        reconcile("--since", str(day_of(8)), "--until", str(day_of(5)))


def test_somebody_who_compares_already_is_told(elevate):
    assert leases.take(elevate.url)
    with pytest.raises(CommandError, match="Somebody else is comparing"):
        reconcile("--day", str(day_of()))


def test_a_dry_run_writes_nothing(enrol, back, elevate):
    row = enrol()[0]
    back()
    elevate.change_registration(int(row.registration_id), hidden=True)
    assert "1 differences (only_here 1)" in reconcile("--day", str(day_of()), "--dry-run")
    assert not ReconciledDay.objects.exists()
    assert not Discrepancy.objects.exists()


def test_a_lost_answer_that_is_there_is_settled(proved, lose, back):
    row = lose()
    back()
    assert "1 lost answers found" in reconcile("--day", str(day_of()))
    assert Registration.objects.get(pk=row.pk).status == "registered"


def test_ctrl_c_lets_the_next_run_go_on(elevate, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("elevate_integration.reconcile.run.rows_for", interrupted)
    with pytest.raises(CommandError, match="the next run goes on"):
        reconcile("--day", str(day_of()))
    monkeypatch.undo()
    assert not leases.is_taken(elevate.url)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--day", "yesterday"], "is no date"),
        (["--day", "2026-02-30"], "is no date"),
        (["--day", "2999-01-01"], "has not come yet"),
        (["--day", "2026-01-01", "--days", "3"], "Give --day"),
        (["--until", "2026-01-01"], "Give --day"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "comes after"),
        (["--days", "0"], "from 1 on"),
    ],
)
def test_what_makes_no_sense_is_refused(elevate, options, said):
    with pytest.raises(CommandError, match=said):
        reconcile(*options)
    assert not reports(elevate)
