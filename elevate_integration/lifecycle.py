"""What we want, what we know of Elevate, what stands in the way, and what follows from them.

Pure Python, no Django, no I/O. `wanted` is written by sync and by staff, `at_elevate` only from Elevate's answers;
the status on the screen and the next call follow from them here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class AtElevate(StrEnum):
    """What we know of one registration at Elevate."""

    ABSENT = "absent"
    MAYBE = "maybe"
    PRESENT = "present"
    # A cancel went out and its answer was lost. Repeating it is safe: it names one registration ID.
    LEAVING = "leaving"


class Obstacle(StrEnum):
    """Why nothing is called although wish and fact differ."""

    NONE = ""
    INCOMPLETE = "incomplete"
    IDENTITY = "identity"
    REFUSED = "refused"
    DOUBT = "doubt"
    COVERED = "covered"
    PARKED = "parked"
    CANCEL_REFUSED = "cancel_refused"


class Status(StrEnum):
    """The word on the screen."""

    PENDING = "pending"
    HELD = "held"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    REGISTERED = "registered"
    CANCELLING = "cancelling"
    COVERED = "covered"
    CANCEL_REFUSED = "cancel_refused"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"


class Operation(StrEnum):
    """The two calls that Elevate knows."""

    REGISTER = "register"
    CANCEL = "cancel"


class Outcome(StrEnum):
    """How one call ended."""

    DONE = "done"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


LIVE = frozenset({AtElevate.PRESENT, AtElevate.LEAVING})

_HOLDING = frozenset({Obstacle.INCOMPLETE, Obstacle.IDENTITY})
_FITS_WANTED = {
    AtElevate.ABSENT: _HOLDING | {Obstacle.REFUSED},
    AtElevate.MAYBE: frozenset({Obstacle.REFUSED, Obstacle.DOUBT}),
    AtElevate.PRESENT: frozenset(),
    AtElevate.LEAVING: frozenset({Obstacle.CANCEL_REFUSED, Obstacle.PARKED}),
}
_FITS_UNWANTED = {
    AtElevate.ABSENT: frozenset(),
    AtElevate.MAYBE: frozenset({Obstacle.REFUSED, Obstacle.DOUBT}),
    AtElevate.PRESENT: frozenset({Obstacle.COVERED, Obstacle.PARKED, Obstacle.CANCEL_REFUSED}),
    AtElevate.LEAVING: frozenset({Obstacle.COVERED, Obstacle.PARKED, Obstacle.CANCEL_REFUSED}),
}


@dataclass(frozen=True)
class State:
    """One registration's wish, fact and obstacle.

    was_there: Elevate once confirmed it.
    confirmed: a wish to cancel was read twice, or a person said so; without it no cancel goes out.
    doubts: register calls in a row whose answer was lost.
    in_flight: a call is open now.
    """

    wanted: bool
    at_elevate: AtElevate = AtElevate.ABSENT
    obstacle: Obstacle = Obstacle.NONE
    was_there: bool = False
    confirmed: bool = False
    doubts: int = 0
    in_flight: bool = False

    @property
    def status(self) -> Status:
        """The word on the screen; every combination has exactly one."""
        return status_of(self)

    @property
    def next_operation(self) -> Operation | None:
        """The call to make, or None when there is nothing to do or a person must act first."""
        return next_operation(self)


def status_of(state: State) -> Status:
    """Give the status of any state."""
    if state.at_elevate is AtElevate.MAYBE:
        return Status.UNCONFIRMED
    if state.at_elevate is AtElevate.ABSENT:
        return _status_absent(state)
    if state.wanted and state.at_elevate is AtElevate.PRESENT:
        return Status.REGISTERED
    if state.obstacle is Obstacle.CANCEL_REFUSED:
        return Status.CANCEL_REFUSED
    if state.obstacle is Obstacle.COVERED and not state.wanted:
        return Status.COVERED
    return Status.CANCELLING


def _status_absent(state: State) -> Status:
    if not state.wanted:
        if state.in_flight:
            return Status.UNCONFIRMED
        return Status.CANCELLED if state.was_there else Status.WITHDRAWN
    if state.obstacle in _HOLDING:
        return Status.HELD
    return Status.REFUSED if state.obstacle is Obstacle.REFUSED else Status.PENDING


def next_operation(state: State) -> Operation | None:
    """Give the call that brings the fact to the wish. Register comes before cancel, always."""
    if state.obstacle is not Obstacle.NONE:
        return None
    if state.wanted:
        if state.at_elevate is AtElevate.PRESENT:
            return None
        return Operation.CANCEL if state.at_elevate is AtElevate.LEAVING else Operation.REGISTER
    if state.at_elevate in LIVE and state.confirmed:
        return Operation.CANCEL
    return None


def wish(state: State, *, wanted: bool) -> State:
    """Write a wish. Obstacles that no longer mean anything fall away; a new wish to cancel starts unconfirmed."""
    fits = _FITS_WANTED if wanted else _FITS_UNWANTED
    obstacle = state.obstacle if state.obstacle in fits[state.at_elevate] else Obstacle.NONE
    if wanted != state.wanted and obstacle in (Obstacle.REFUSED, Obstacle.CANCEL_REFUSED, Obstacle.PARKED):
        obstacle = Obstacle.DOUBT if state.at_elevate is AtElevate.MAYBE else Obstacle.NONE
    if not wanted and state.at_elevate is AtElevate.MAYBE and not state.in_flight:
        obstacle = obstacle or Obstacle.DOUBT
    confirmed = state.confirmed and not wanted and not state.wanted
    return replace(state, wanted=wanted, obstacle=obstacle, confirmed=confirmed)


def settle(state: State, operation: Operation, outcome: Outcome, *, repeat_once: bool = True) -> State:
    """Write the fact that follows from a call's outcome. `repeat_once` is the setting UNCONFIRMED."""
    state = replace(state, in_flight=False)
    if operation is Operation.REGISTER:
        after = _settle_register(state, outcome, repeat_once=repeat_once)
    else:
        after = _settle_cancel(state, outcome)
    fits = (_FITS_WANTED if after.wanted else _FITS_UNWANTED)[after.at_elevate]
    return after if after.obstacle in fits else replace(after, obstacle=Obstacle.NONE)


def _settle_register(state: State, outcome: Outcome, *, repeat_once: bool) -> State:
    if outcome is Outcome.DONE:
        return replace(state, at_elevate=AtElevate.PRESENT, obstacle=Obstacle.NONE, was_there=True, doubts=0)
    if outcome is Outcome.REFUSED:
        return replace(state, obstacle=Obstacle.REFUSED)
    if outcome is Outcome.UNKNOWN:
        doubts = state.doubts + 1
        may_repeat = state.wanted and repeat_once and doubts < 2
        obstacle = Obstacle.NONE if may_repeat else Obstacle.DOUBT
        return replace(state, at_elevate=AtElevate.MAYBE, doubts=doubts, obstacle=obstacle)
    # Not sent: whoever allowed this call, the policy or a person, still allows it.
    in_vain = state.at_elevate is AtElevate.MAYBE and not state.wanted
    return replace(state, obstacle=Obstacle.DOUBT) if in_vain else state


def _settle_cancel(state: State, outcome: Outcome) -> State:
    if outcome is Outcome.DONE:
        return replace(state, at_elevate=AtElevate.ABSENT, obstacle=Obstacle.NONE, confirmed=False, doubts=0)
    if outcome is Outcome.REFUSED:
        return replace(state, obstacle=Obstacle.CANCEL_REFUSED)
    if outcome is Outcome.UNKNOWN:
        return replace(state, at_elevate=AtElevate.LEAVING)
    return state


def retry(state: State) -> State:
    """Clear what a person decided to try again. Raises nothing: a state without an obstacle comes back as it is."""
    if state.obstacle in (Obstacle.REFUSED, Obstacle.DOUBT) and not state.wanted:
        return state
    if state.obstacle in (
        Obstacle.REFUSED,
        Obstacle.DOUBT,
        Obstacle.IDENTITY,
        Obstacle.CANCEL_REFUSED,
        Obstacle.PARKED,
    ):
        return replace(state, obstacle=Obstacle.NONE, confirmed=state.confirmed or not state.wanted)
    return state
