"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_integration.delivery.backoff import wait


def middle() -> float:
    return 0.5


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 5), (1, 5), (2, 10), (3, 20), (5, 80), (11, 3600), (10_000_000, 3600)]
)
def test_the_wait_doubles_up_to_the_ceiling(failures, seconds):
    assert wait(failures, first=5, ceiling=3600, spread=middle) == pytest.approx(seconds)


@given(st.integers(-5, 10**9), st.floats(0, 100), st.floats(0, 1e6))
def test_the_wait_stays_within_a_fifth_of_what_it_should_be(failures, first, ceiling):
    assert 0 <= wait(failures, first=first, ceiling=ceiling) <= ceiling * 1.2 + 1e-6


@pytest.mark.parametrize(("spread", "seconds"), [(0.0, 8.0), (0.25, 9.0), (1.0, 12.0)])
def test_the_wait_is_spread_by_a_fifth_either_way(spread, seconds):
    assert wait(2, first=5, ceiling=3600, spread=lambda: spread) == pytest.approx(seconds)


def test_waits_are_spread_so_that_a_queue_does_not_come_back_in_one_second():
    assert len({wait(3, first=5, ceiling=3600) for _ in range(20)}) > 1


@pytest.mark.parametrize(("asked", "least"), [(0, 0), (30, 30), (86_400, 86_400), (10**9, 86_400), (-5, 0)])
def test_what_elevate_asked_for_wins_and_is_never_shortened(asked, least):
    found = wait(1, first=5, ceiling=60, retry_after=asked)
    assert least <= found <= least + 1
