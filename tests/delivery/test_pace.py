"""The operator's ceiling of calls per second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_integration.delivery.pace import Pace


def test_without_a_ceiling_every_call_may_go_out():
    pace = Pace(0)
    assert pace.take(1000, 0.0) == 1000
    assert pace.wait() == 0.0


def test_a_ceiling_lets_a_small_burst_go_and_then_holds_back():
    pace = Pace(10)
    assert pace.take(8, 100.0) == 2
    assert pace.take(8, 100.0) == 0
    assert pace.wait() == pytest.approx(0.1)
    assert pace.take(8, 100.1) == 1


def test_a_quiet_while_saves_up_no_more_than_the_burst():
    pace = Pace(10)
    pace.take(8, 0.0)
    assert pace.take(100, 3600.0) == 2


def test_less_than_one_call_a_second_still_lets_one_go():
    pace = Pace(0.5)
    assert pace.take(5, 0.0) == 1
    assert pace.wait() == pytest.approx(2.0)
    assert pace.take(5, 2.0) == 1


def test_calls_that_were_not_made_can_be_given_back():
    pace = Pace(10)
    pace.give_back(pace.take(2, 0.0))
    assert pace.take(2, 0.0) == 2


@given(
    st.floats(0.5, 500), st.lists(st.tuples(st.floats(0, 2), st.integers(0, 100)), min_size=1, max_size=50)
)
def test_no_stretch_of_time_gets_more_than_its_share_and_a_burst(per_second, asked):
    pace = Pace(per_second)
    now, taken = 0.0, 0
    for after, wanted in asked:
        now += after
        taken += pace.take(wanted, now)
    assert taken <= now * per_second + max(per_second * 0.2, 1.0) + 1e-6
