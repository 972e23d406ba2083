"""Eight workers on ten thousand rows, and sweeps at once over some hundred orders."""

from __future__ import annotations

import pytest

from tests.faults.crew import crew
from tests.faults.crowds import crowd, sweeps_at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_eight_workers_send_ten_thousand_registrations_once(elevate, tmp_path):
    with crew(tmp_path, elevate, LEASE=120.0, READ_TIMEOUT=30.0, CALL_DEADLINE=60.0) as workers:
        crowd(workers, elevate, workers=8, threads=4, rows=10_000)


def test_four_sweeps_at_the_same_moment_make_each_registration_once(plainshop, elevate, deliver, settings):
    settings.ELEVATE = {**settings.ELEVATE, "NEW_PER_SWEEP": 1_000}
    sweeps_at_once(elevate, deliver, orders=300, sweeps=4)
