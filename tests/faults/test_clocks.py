"""A database clock that jumps: delay at most, and on record what a lease that seemed to run out may have doubled."""

from __future__ import annotations

import pytest

from tests.faults.answers import SETTINGS
from tests.faults.clocks import jump_in_a_drain, jumping_clock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("seconds", [-86_400.0, -3_600.0, -5.0, 5.0, 3_600.0, 86_400.0])
def test_a_clock_that_jumps_in_a_drain_loses_nothing(elevate, settings, seconds):
    settings.ELEVATE = {**settings.ELEVATE, **SETTINGS, "READ_TIMEOUT": 10.0, "CALL_DEADLINE": 20.0}
    with jumping_clock() as clock:
        jump_in_a_drain(elevate, clock, rows=8, seconds=seconds)
