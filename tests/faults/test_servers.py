"""A database that goes away in mid-drain: no answer is lost, so nothing is doubled, and the workers go on."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.faults.servers import end_connections_in_a_drain, restart_in_a_drain

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="disturbs a PostgreSQL server of its own: runs where TEST_DATABASE_URL is PostgreSQL",
)


def test_a_database_that_restarts_in_mid_drain_costs_no_answer(office, server):
    restart_in_a_drain(office, server, rows=60, modes=["immediate", "fast"])


def test_connections_that_the_database_ends_in_mid_drain_cost_no_answer(office):
    end_connections_in_a_drain(office, rows=60, times=5)
