"""Two hundred killed workers over two thousand registrations."""

from __future__ import annotations

import os

import pytest

from tests.faults.crew import crew
from tests.faults.kills import kill_at_random_moments

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_hundred_killed_workers_lose_nothing(elevate, tmp_path):
    seed = int(os.environ.get("FAULT_SEED", "20"))
    with crew(tmp_path, elevate) as workers:
        kill_at_random_moments(workers, elevate, rows=2_000, kills=200, seed=seed)
