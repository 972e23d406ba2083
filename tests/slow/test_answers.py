"""Bad answers again, with more rows: every way in which Elevate can answer badly, thirty times over."""

from __future__ import annotations

import pytest

from tests.faults.answers import TROUBLES, always_too_late, drain_through, drain_while_away

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("short_times")]


@pytest.mark.parametrize("name", TROUBLES)
def test_many_bad_answers_lose_nothing_and_double_only_what_elevate_stored_unheard(elevate, name):
    drain_through(elevate, name, rows=60, bad=30)


def test_an_elevate_that_is_away_for_a_while_gets_every_registration_once(elevate):
    drain_while_away(elevate, rows=200)


def test_an_elevate_that_always_answers_too_late_gets_no_registration_more_than_twice(elevate):
    always_too_late(elevate, rows=30)
