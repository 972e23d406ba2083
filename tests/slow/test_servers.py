"""A PostgreSQL that restarts six times, and one that ends its connections forty times, in mid-drain."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.faults.servers import end_connections_in_a_drain, restart_in_a_drain

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="disturbs a PostgreSQL server of its own: runs where TEST_DATABASE_URL is PostgreSQL",
)


def test_a_database_that_restarts_again_and_again_costs_no_answer(office, server):
    restart_in_a_drain(office, server, rows=600, modes=["immediate", "fast"] * 3)


def test_connections_that_are_ended_again_and_again_cost_no_answer(office):
    end_connections_in_a_drain(office, rows=600, times=40)
