"""A store whose registrations lie some days back, and the report of the fake Elevate that tells of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db.models import F

from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import Attempt, Registration
from elevate_integration.reconcile.results import Run
from elevate_integration.reconcile.run import reconcile
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.testing import FakeElevate

REPORTS = "/api/reports"
BACK = 5
# Once for all tests, or those that run at midnight would look for two days.
TODAY = datetime.now(UTC).date()


def day_of(days_back: int = BACK) -> date:
    """The day so many days ago, in UTC."""
    return TODAY - timedelta(days=days_back)


def posts(elevate: FakeElevate) -> list[str]:
    """Calls that would change something at Elevate."""
    return [path for path, _ in elevate.calls if path != REPORTS]


def reports(elevate: FakeElevate) -> list[tuple[str, str]]:
    """Which stretches of time were asked for."""
    asked = [fields["filters"]["transaction_at"] for path, fields in elevate.calls if path == REPORTS]
    return [(one[">="], one["<="]) for one in asked]


def differences(**wanted: Any) -> list[str]:
    """The kinds of the differences that are true now."""
    rows = Discrepancy.objects.filter(closed_at=None, **wanted).order_by("pk")
    return list(rows.values_list("kind", flat=True))


@pytest.fixture
def waits() -> list[float]:
    """How many seconds runs have waited, each time; nobody really waits."""
    return []


@pytest.fixture
def run(waits: list[float]) -> Callable[..., Run]:
    """Compare some days, that of the registrations by default."""

    def compare(*days: date, **options: Any) -> Run:
        def wait(seconds: float) -> bool:
            waits.append(seconds)
            return False

        return reconcile(days or [day_of()], **{"wait": wait, **options})

    return compare


@pytest.fixture
def back(elevate: FakeElevate) -> Callable[..., None]:
    """Move what has happened here and at Elevate some days back, what happened just now to noon."""

    def move(days: int = BACK) -> None:
        by = datetime.now(UTC) - datetime.combine(day_of(days), time(12), UTC)
        Attempt.objects.update(started_at=F("started_at") - by, finished_at=F("finished_at") - by)
        Registration.objects.update(registered_at=F("registered_at") - by, created_at=F("created_at") - by)
        for held in elevate.registrations:
            elevate.change_registration(held.registration_id, registered_at=held.registered_at - by)

    return move


@pytest.fixture
def enrol(sell: Any, deliver: Any) -> Callable[..., list[Registration]]:
    """Sell a course to so many members, and have them registered."""

    def make(count: int = 1, *courses: str, first: int = 1) -> list[Registration]:
        known = set(Registration.objects.values_list("pk", flat=True))
        for number in range(first, first + count):
            sell(*courses, person_id=f"M-{number}", email=f"m{number}@example.org")
        deliver()
        return list(Registration.objects.exclude(pk__in=known).order_by("pk"))

    return make


@pytest.fixture
def proved(enrol: Any, back: Any, run: Any, elevate: FakeElevate) -> Iterator[None]:
    """Five registrations that prove the report's IDs, on a day of their own."""
    enrol(5, "LAW", first=901)
    back(20)
    run(day_of(20))
    assert ReconciledDay.objects.get().ids_equal == 5
    return


@pytest.fixture
def lose(sell: Any, deliver: Any, elevate: FakeElevate, settings: Any) -> Callable[..., Registration]:
    """Sell a course whose registration's answer is lost; by default Elevate has it."""

    def make(*, stored: bool = True, number: int = 1, course: str = "ETHICS") -> Registration:
        settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
        elevate.fail("reset_after_storing")
        invoice = sell(course, person_id=f"M-{number}", email=f"m{number}@example.org")
        deliver()
        row = Registration.objects.get(order_ref=str(invoice.pk))
        assert row.at_elevate == AtElevate.MAYBE
        if not stored:
            elevate.change_registration(elevate.registrations[-1].registration_id, hidden=True)
        return row

    return make
