"""Every combination of wish, fact and obstacle, and what follows from it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from elevate_integration.lifecycle import (
    LIVE,
    AtElevate,
    Obstacle,
    Operation,
    Outcome,
    State,
    Status,
    next_operation,
    retry,
    settle,
    status_of,
    wish,
)

ABSENT, MAYBE, PRESENT, LEAVING = AtElevate
BOTH = (False, True)
EVERY_STATE = [
    State(
        wanted=wanted,
        at_elevate=at,
        obstacle=obstacle,
        was_there=was_there,
        confirmed=confirmed,
        doubts=doubts,
        in_flight=in_flight,
    )
    for wanted, at, obstacle, was_there, confirmed, doubts, in_flight in itertools.product(
        BOTH, AtElevate, Obstacle, BOTH, BOTH, (0, 1, 2), BOTH
    )
]


# Obstacle: the (wanted, at Elevate) pairs under which it says anything.
MEANINGFUL = {
    Obstacle.NONE: set(itertools.product(BOTH, AtElevate)),
    Obstacle.INCOMPLETE: {(True, ABSENT)},
    Obstacle.IDENTITY: {(True, ABSENT)},
    Obstacle.REFUSED: {(True, ABSENT), (True, MAYBE), (False, MAYBE)},
    Obstacle.DOUBT: {(True, MAYBE), (False, MAYBE)},
    Obstacle.COVERED: {(False, PRESENT), (False, LEAVING)},
    Obstacle.PARKED: {(False, PRESENT), (False, LEAVING), (True, LEAVING)},
    Obstacle.CANCEL_REFUSED: {(False, PRESENT), (False, LEAVING), (True, LEAVING)},
}


def fits(state: State) -> bool:
    return (state.wanted, state.at_elevate) in MEANINGFUL[state.obstacle]


CONSISTENT = [state for state in EVERY_STATE if fits(state)]


def test_the_words_that_tables_hold_stay_the_same():
    assert [word.value for word in AtElevate] == ["absent", "maybe", "present", "leaving"]
    assert [word.value for word in Obstacle] == [
        "",
        "incomplete",
        "identity",
        "refused",
        "doubt",
        "covered",
        "parked",
        "cancel_refused",
    ]
    assert [word.value for word in Operation] == ["register", "cancel"]
    assert [word.value for word in Outcome] == ["done", "refused", "not_sent", "unknown"]
    # Those of Status are public: `tests/public_api.txt` holds them.


def test_every_combination_has_exactly_one_status_and_at_most_one_next_call():
    for state in EVERY_STATE:
        assert isinstance(status_of(state), Status)
        assert next_operation(state) in (None, Operation.REGISTER, Operation.CANCEL)


@pytest.mark.parametrize(
    ("state", "status", "operation"),
    [
        (State(wanted=True), Status.PENDING, Operation.REGISTER),
        (State(wanted=True, obstacle=Obstacle.INCOMPLETE), Status.HELD, None),
        (State(wanted=True, obstacle=Obstacle.IDENTITY), Status.HELD, None),
        (State(wanted=True, obstacle=Obstacle.REFUSED), Status.REFUSED, None),
        (State(wanted=True, at_elevate=MAYBE, doubts=1), Status.UNCONFIRMED, Operation.REGISTER),
        (State(wanted=True, at_elevate=MAYBE, obstacle=Obstacle.DOUBT), Status.UNCONFIRMED, None),
        (State(wanted=True, at_elevate=PRESENT), Status.REGISTERED, None),
        (State(wanted=True, at_elevate=LEAVING), Status.CANCELLING, Operation.CANCEL),
        (State(wanted=False, at_elevate=PRESENT), Status.CANCELLING, None),
        (State(wanted=False, at_elevate=PRESENT, confirmed=True), Status.CANCELLING, Operation.CANCEL),
        (State(wanted=False, at_elevate=LEAVING, confirmed=True), Status.CANCELLING, Operation.CANCEL),
        (
            State(wanted=False, at_elevate=PRESENT, obstacle=Obstacle.COVERED, confirmed=True),
            Status.COVERED,
            None,
        ),
        (
            State(wanted=False, at_elevate=PRESENT, obstacle=Obstacle.PARKED, confirmed=True),
            Status.CANCELLING,
            None,
        ),
        (
            State(wanted=False, at_elevate=PRESENT, obstacle=Obstacle.CANCEL_REFUSED, confirmed=True),
            Status.CANCEL_REFUSED,
            None,
        ),
        (State(wanted=False, at_elevate=MAYBE, obstacle=Obstacle.DOUBT), Status.UNCONFIRMED, None),
        (State(wanted=False, at_elevate=MAYBE), Status.UNCONFIRMED, None),
        (State(wanted=False), Status.WITHDRAWN, None),
        (State(wanted=False, was_there=True), Status.CANCELLED, None),
        (State(wanted=False, in_flight=True), Status.UNCONFIRMED, None),
    ],
    ids=str,
)
def test_each_row_of_the_table_of_wish_fact_and_obstacle(state, status, operation):
    assert (state.status, state.next_operation) == (status, operation)


def test_nothing_is_registered_that_is_not_wanted():
    assert not [s for s in EVERY_STATE if not s.wanted and next_operation(s) is Operation.REGISTER]


def test_nothing_is_cancelled_that_is_wanted_unless_its_cancel_already_went_out():
    cancelled = [s for s in EVERY_STATE if s.wanted and next_operation(s) is Operation.CANCEL]
    assert {s.at_elevate for s in cancelled} == {LEAVING}


def test_nothing_is_cancelled_that_was_read_only_once():
    asked = [s for s in EVERY_STATE if not s.wanted and next_operation(s) is Operation.CANCEL]
    assert all(s.confirmed and s.at_elevate in LIVE for s in asked)


def test_an_obstacle_means_no_call():
    assert not [s for s in EVERY_STATE if s.obstacle and next_operation(s)]


def test_what_is_registered_and_wanted_is_left_alone():
    assert not [s for s in EVERY_STATE if s.wanted and s.at_elevate is PRESENT and next_operation(s)]


@pytest.mark.parametrize("repeat_once", BOTH)
def test_settling_any_state_leaves_only_an_obstacle_that_means_something(repeat_once):
    for state, operation, outcome in itertools.product(EVERY_STATE, Operation, Outcome):
        after = settle(state, operation, outcome, repeat_once=repeat_once)
        assert fits(after), (state, operation, outcome, after)
        assert not after.in_flight
        assert after.wanted == state.wanted, "an answer never changes the wish"


@pytest.mark.parametrize("wanted", BOTH)
def test_a_wish_leaves_only_an_obstacle_that_means_something(wanted):
    for state in EVERY_STATE:
        after = wish(state, wanted=wanted)
        assert fits(after), (state, after)
        assert after.wanted is wanted
        assert (after.at_elevate, after.in_flight, after.was_there, after.doubts) == (
            state.at_elevate,
            state.in_flight,
            state.was_there,
            state.doubts,
        ), "a wish never changes the fact"


def test_wishing_the_same_twice_changes_nothing_more():
    for state, wanted in itertools.product(CONSISTENT, BOTH):
        once = wish(state, wanted=wanted)
        assert wish(once, wanted=wanted) == once


def test_a_new_wish_to_cancel_starts_unconfirmed():
    for state in EVERY_STATE:
        if state.wanted:
            assert wish(state, wanted=False).confirmed is False
        assert wish(state, wanted=True).confirmed is False


def test_a_wish_to_cancel_that_was_confirmed_stays_so_while_it_is_repeated():
    for state in EVERY_STATE:
        if not state.wanted:
            assert wish(state, wanted=False).confirmed is state.confirmed


def test_a_repeated_wish_leaves_what_a_person_is_asked_as_it_is():
    for state in CONSISTENT:
        if state.obstacle:
            assert wish(state, wanted=state.wanted).obstacle is state.obstacle


@pytest.mark.parametrize("obstacle", [Obstacle.REFUSED, Obstacle.CANCEL_REFUSED, Obstacle.PARKED])
def test_another_wish_ends_what_a_person_was_asked_about_the_one_before_but_no_doubt(obstacle):
    asked = [state for state in CONSISTENT if state.obstacle is obstacle]
    assert {state.wanted for state in asked} == {True, False}
    for state in asked:
        after = wish(state, wanted=not state.wanted)
        assert after.obstacle is (Obstacle.DOUBT if state.at_elevate is MAYBE else Obstacle.NONE), state


def test_a_doubt_never_disappears_because_of_a_wish():
    for state, wanted in itertools.product(CONSISTENT, BOTH):
        if state.at_elevate is MAYBE and not state.in_flight:
            after = wish(state, wanted=wanted)
            assert after.at_elevate is MAYBE
            if state.obstacle is Obstacle.DOUBT or not wanted:
                assert next_operation(after) is None


def test_only_an_answer_that_says_done_makes_a_registration_present_or_absent():
    for state, operation, outcome in itertools.product(EVERY_STATE, Operation, Outcome):
        after = settle(state, operation, outcome).at_elevate
        if outcome is Outcome.DONE:
            assert after is (PRESENT if operation is Operation.REGISTER else ABSENT)
        elif outcome is Outcome.UNKNOWN:
            assert after is (MAYBE if operation is Operation.REGISTER else LEAVING)
        else:
            assert after is state.at_elevate


def test_a_registration_that_is_done_leaves_neither_doubt_nor_question():
    for state in EVERY_STATE:
        assert settle(state, Operation.REGISTER, Outcome.DONE) == replace(
            state, at_elevate=PRESENT, obstacle=Obstacle.NONE, was_there=True, doubts=0, in_flight=False
        )


def test_a_cancel_that_is_done_leaves_neither_doubt_nor_question_and_asks_for_no_other():
    for state in EVERY_STATE:
        assert settle(state, Operation.CANCEL, Outcome.DONE) == replace(
            state, at_elevate=ABSENT, obstacle=Obstacle.NONE, confirmed=False, doubts=0, in_flight=False
        )


@pytest.mark.parametrize("at_elevate", [PRESENT, LEAVING])
def test_a_cancel_that_elevate_refuses_waits_for_a_person(at_elevate):
    state = State(wanted=False, at_elevate=at_elevate, was_there=True, confirmed=True, in_flight=True)
    after = settle(state, Operation.CANCEL, Outcome.REFUSED)
    assert (after.status, after.next_operation) == (Status.CANCEL_REFUSED, None)
    assert after.at_elevate is at_elevate


def test_what_was_not_sent_changes_no_fact_and_adds_no_doubt():
    for state, operation in itertools.product(CONSISTENT, Operation):
        after = settle(state, operation, Outcome.NOT_SENT)
        assert (after.at_elevate, after.doubts, after.was_there) == (
            state.at_elevate,
            state.doubts,
            state.was_there,
        )


def test_a_lost_answer_is_repeated_once_where_nothing_else_is_said():
    once = settle(State(wanted=True, in_flight=True), Operation.REGISTER, Outcome.UNKNOWN)
    assert once.next_operation is Operation.REGISTER
    assert settle(once, Operation.REGISTER, Outcome.UNKNOWN).next_operation is None


def test_a_refusal_of_what_is_still_wanted_waits_for_a_person():
    state = State(wanted=True, in_flight=True)
    after = settle(state, Operation.REGISTER, Outcome.REFUSED)
    assert (after.status, after.next_operation) == (Status.REFUSED, None)


def test_a_refusal_of_what_is_no_longer_wanted_is_the_end_of_it():
    state = wish(State(wanted=True, in_flight=True), wanted=False)
    after = settle(state, Operation.REGISTER, Outcome.REFUSED)
    assert (after.status, after.next_operation) == (Status.WITHDRAWN, None)


def test_a_refund_during_the_open_call_has_a_home():
    during = wish(State(wanted=True, in_flight=True), wanted=False)
    assert during.status is Status.UNCONFIRMED
    answered = settle(during, Operation.REGISTER, Outcome.DONE)
    assert (answered.status, answered.next_operation) == (Status.CANCELLING, None)
    assert replace(answered, confirmed=True).next_operation is Operation.CANCEL


def test_a_purchase_during_an_open_cancel_registers_once_the_cancel_is_through():
    state = wish(
        State(wanted=False, at_elevate=PRESENT, was_there=True, confirmed=True, in_flight=True), wanted=True
    )
    done = settle(state, Operation.CANCEL, Outcome.DONE)
    assert (done.status, done.next_operation) == (Status.PENDING, Operation.REGISTER)
    lost = settle(state, Operation.CANCEL, Outcome.UNKNOWN)
    assert (lost.status, lost.next_operation) == (Status.CANCELLING, Operation.CANCEL)
    refused = settle(state, Operation.CANCEL, Outcome.REFUSED)
    assert (refused.status, refused.next_operation) == (Status.REGISTERED, None)


def _automatic(states: set[tuple[State, int]], *, repeat_once: bool) -> set[tuple[State, int]]:
    """Every state one step on, without a person; with it the lost register answers since the last certainty."""
    found = set()
    for state, lost in states:
        found |= {(wish(state, wanted=wanted), lost) for wanted in BOTH}
        if not state.wanted:
            found.add((replace(state, confirmed=True), lost))
        if state.in_flight:
            continue
        operation = next_operation(state)
        if operation is None:
            continue
        for later_wish, outcome in itertools.product(BOTH, Outcome):
            open_call = wish(replace(state, in_flight=True), wanted=later_wish)
            after = settle(open_call, operation, outcome, repeat_once=repeat_once)
            more = operation is Operation.REGISTER and outcome is Outcome.UNKNOWN
            found.add((after, 0 if outcome is Outcome.DONE else lost + more))
    return found


@pytest.mark.parametrize(("repeat_once", "most"), [(True, 2), (False, 1)])
def test_doubt_is_bounded_whatever_happens_without_a_person(repeat_once, most):
    seen: set[tuple[State, int]] = set()
    new = {(State(wanted=True), 0)}
    while new:
        seen |= new
        assert max(lost for _, lost in new) <= most
        new = _automatic(new, repeat_once=repeat_once) - seen
    assert any(lost == most for _, lost in seen)


def test_without_a_person_every_state_that_is_reached_makes_sense():
    seen: set[tuple[State, int]] = set()
    new = {(State(wanted=True), 0)}
    while new:
        seen |= new
        new = _automatic(new, repeat_once=True) - seen
    for state, _ in seen:
        assert fits(state), state
        stuck = state.next_operation is None and not state.obstacle
        if stuck and state.wanted:
            assert state.at_elevate is PRESENT, state
        if stuck and not state.wanted and not state.confirmed:
            assert state.at_elevate is not MAYBE or state.in_flight, state


def test_retry_clears_only_what_a_person_may_decide():
    for state in CONSISTENT:
        after = retry(state)
        assert (after.wanted, after.at_elevate, after.doubts) == (
            state.wanted,
            state.at_elevate,
            state.doubts,
        )
        if state.obstacle in (Obstacle.INCOMPLETE, Obstacle.COVERED, Obstacle.NONE):
            assert after == state
        if not state.wanted:
            assert next_operation(after) is not Operation.REGISTER


@pytest.mark.parametrize("obstacle", [Obstacle.CANCEL_REFUSED, Obstacle.PARKED])
@pytest.mark.parametrize("at_elevate", [PRESENT, LEAVING])
@pytest.mark.parametrize("confirmed", BOTH)
def test_a_person_who_tries_a_cancel_again_confirms_it(at_elevate, obstacle, confirmed):
    after = retry(State(wanted=False, at_elevate=at_elevate, obstacle=obstacle, confirmed=confirmed))
    assert after.confirmed is True
    assert after.next_operation is Operation.CANCEL


def test_a_person_who_tries_what_is_wanted_again_confirms_no_cancel():
    for state in CONSISTENT:
        if state.wanted and not state.confirmed:
            assert retry(state).confirmed is False


def test_retrying_what_is_refused_or_in_doubt_and_no_longer_wanted_changes_nothing():
    for state in CONSISTENT:
        if not state.wanted and state.obstacle in (Obstacle.REFUSED, Obstacle.DOUBT):
            assert retry(state) == state


def test_retrying_a_doubt_gives_one_more_call_and_no_endless_loop():
    doubtful = State(wanted=True, at_elevate=MAYBE, obstacle=Obstacle.DOUBT, doubts=2)
    again = retry(doubtful)
    assert again.next_operation is Operation.REGISTER
    assert settle(again, Operation.REGISTER, Outcome.UNKNOWN).next_operation is None


@pytest.mark.parametrize(("doubts", "repeat_once"), [(1, True), (1, False), (2, True), (3, True)])
def test_a_repeat_that_was_not_sent_is_still_allowed_whoever_allowed_it(doubts, repeat_once):
    doubtful = State(wanted=True, at_elevate=MAYBE, obstacle=Obstacle.DOUBT, doubts=doubts)
    again = replace(retry(doubtful), in_flight=True)
    after = settle(again, Operation.REGISTER, Outcome.NOT_SENT, repeat_once=repeat_once)
    assert after.next_operation is Operation.REGISTER
    refunded = settle(wish(again, wanted=False), Operation.REGISTER, Outcome.NOT_SENT)
    assert (refunded.status, refunded.obstacle) == (Status.UNCONFIRMED, Obstacle.DOUBT)
