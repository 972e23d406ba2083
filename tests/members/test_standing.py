"""The words for members: every state has some, and none promises what is not so."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from elevate_integration.lifecycle import AtElevate, Obstacle, State, Status
from elevate_integration.members.standing import standing

HERE, GONE, MAYBE, LEAVING = AtElevate.PRESENT, AtElevate.ABSENT, AtElevate.MAYBE, AtElevate.LEAVING
EVERY_STATE = [
    State(wanted=wanted, at_elevate=fact, obstacle=obstacle, was_there=was, in_flight=flying)
    for wanted, fact, obstacle, was, flying in product(
        (True, False), AtElevate, Obstacle, (True, False), (True, False)
    )
]


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (State(wanted=True), "waiting"),
        (State(wanted=True, obstacle=Obstacle.INCOMPLETE), "details"),
        (State(wanted=True, obstacle=Obstacle.IDENTITY), "attention"),
        (State(wanted=True, obstacle=Obstacle.REFUSED), "attention"),
        (State(wanted=True, at_elevate=MAYBE), "waiting"),
        (State(wanted=True, at_elevate=MAYBE, obstacle=Obstacle.DOUBT), "attention"),
        (State(wanted=True, at_elevate=MAYBE, obstacle=Obstacle.DOUBT, in_flight=True), "waiting"),
        (State(wanted=True, at_elevate=HERE), "ready"),
        (State(wanted=True, at_elevate=LEAVING), "waiting"),
        (State(wanted=False, at_elevate=HERE), "ending"),
        (State(wanted=False, at_elevate=HERE, obstacle=Obstacle.PARKED), "ending"),
        (State(wanted=False, at_elevate=HERE, obstacle=Obstacle.CANCEL_REFUSED), "ending"),
        (State(wanted=False, at_elevate=LEAVING), "ending"),
        (State(wanted=False, at_elevate=HERE, obstacle=Obstacle.COVERED), "over"),
        (State(wanted=False, at_elevate=MAYBE, obstacle=Obstacle.DOUBT), "over"),
        (State(wanted=False), "over"),
        (State(wanted=False, was_there=True), "over"),
    ],
)
def test_where_a_registration_stands(state: State, name: str) -> None:
    assert standing(state).name == name


def test_a_place_without_a_learner_asks_for_a_name() -> None:
    assert standing(State(wanted=True, obstacle=Obstacle.INCOMPLETE), named=False).name == "unnamed"


def test_a_learner_without_an_account_is_not_told_to_complete_a_member_record() -> None:
    found = standing(State(wanted=True, obstacle=Obstacle.INCOMPLETE), account=False)
    assert (found.name, str(found.label)) == ("details", "No account yet")
    assert "member record" not in str(found.text)


def test_every_state_has_words_and_only_a_registered_one_is_ready() -> None:
    assert {state.status for state in EVERY_STATE} == set(Status)
    for state in EVERY_STATE:
        found = standing(state)
        assert str(found.label)
        assert str(found.text)
        assert (found.name == "ready") is (state.status is Status.REGISTERED)


def test_what_was_given_up_is_never_said_to_be_under_way() -> None:
    for state in EVERY_STATE:
        if not state.wanted:
            assert standing(replace(state)).name in ("ending", "over")
