"""Killed workers: nothing is lost, and at most the calls in flight are doubled, each on record."""

from __future__ import annotations

import os

import pytest

from tests.faults.crew import crew
from tests.faults.kills import MOMENTS, die_between_answer_and_commit, kill_at_random_moments

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes and signals"),
]


def test_workers_killed_at_random_moments_lose_nothing(elevate, tmp_path):
    with crew(tmp_path, elevate, LEASE=3.5) as workers:
        kill_at_random_moments(
            workers, elevate, rows=60, kills=6, seed=int(os.environ.get("FAULT_SEED", "1"))
        )


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_between_the_answer_and_the_commit_leaves_a_doubt_that_is_repeated_once(
    elevate, tmp_path, moment
):
    with crew(tmp_path, elevate) as workers:
        die_between_answer_and_commit(workers, elevate, moment=moment, rows=6)
