"""Many at once: workers, sweeps, a late answer beside a newer one, old code beside new code."""

from __future__ import annotations

import os

import pytest

from tests.faults.crew import crew
from tests.faults.crowds import crowd, deployment, lease_runs_out, sweeps_at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes"),
]


def test_several_workers_on_one_queue_send_everything_once(elevate, tmp_path):
    with crew(tmp_path, elevate, LEASE=60.0) as workers:
        crowd(workers, elevate, workers=3, threads=4, rows=150)


def test_sweeps_at_the_same_moment_make_each_registration_once(plainshop, elevate, deliver):
    sweeps_at_once(elevate, deliver, orders=20, sweeps=2)


def test_a_lease_that_runs_out_under_an_open_call_loses_no_id_and_overwrites_nothing(elevate, tmp_path):
    with crew(tmp_path, elevate, LEASE=1.0, READ_TIMEOUT=60.0, CALL_DEADLINE=60.0) as workers:
        lease_runs_out(workers, elevate)


def test_a_deployment_with_calls_open_loses_nothing(elevate, tmp_path):
    with crew(tmp_path, elevate, LEASE=60.0, READ_TIMEOUT=60.0, CALL_DEADLINE=60.0) as workers:
        deployment(workers, elevate, rows=12)
