"""The statuses, from the lifecycle: each combination of wish, fact and obstacle that it allows, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from elevate_docs.tables import table
from elevate_integration import words
from elevate_integration.lifecycle import AtElevate, Obstacle, State, Status, wish


def states() -> Iterator[State]:
    """Yield every state that a registration can rest in, without an open call."""
    for wanted, at, obstacle, there, confirmed in product(
        (True, False), AtElevate, Obstacle, (False, True), (False, True)
    ):
        state = State(wanted, at, obstacle, was_there=there, confirmed=confirmed)
        kept = wish(state, wanted=wanted)
        if (kept.obstacle, kept.confirmed) == (obstacle, confirmed) and _can_be(state):
            yield state


def _can_be(state: State) -> bool:
    # Whatever is there, or is leaving, was confirmed once; only a wish to cancel what may be there needs a second look.
    live = state.at_elevate in (AtElevate.PRESENT, AtElevate.LEAVING)
    if live and not state.was_there:
        return False
    return not (state.confirmed and (state.wanted or not live))


def text() -> str:
    """Write the table of wish, fact and obstacle, in the order of the statuses."""
    rows = {}
    for state in sorted(states(), key=lambda one: list(Status).index(one.status)):
        row = (
            f"`{state.status}`",
            "yes" if state.wanted else "no",
            f"`{state.at_elevate}`" + (", was there" if state.status is Status.CANCELLED else ""),
            f"`{state.obstacle}`" if state.obstacle else "none",
            f"the call `{state.next_operation}`" if state.next_operation else _rests(state),
        )
        rows[row] = None
    return table(("Status", "Wanted", "At Elevate", "Obstacle", "What follows"), rows)


def _rests(state: State) -> str:
    situation = words.situation(state)
    return str(situation.next)


def situations() -> str:
    """Write what staff read about each situation."""
    shown = {}
    for state in sorted(states(), key=lambda one: list(Status).index(one.status)):
        shown.setdefault(words.situation_name(state), state)
    rows = [
        (f"`{state.status}`", str(one.what), str(one.next), str(one.mend))
        for state in shown.values()
        for one in [words.situation(state)]
    ]
    return table(("Status", "What is so", "What happens by itself", "What a person can do"), rows)


def problems() -> str:
    """Write why a registration is held."""
    return table(
        ("Code", "What staff read"), [(f"`{code}`", str(one)) for code, one in words.PROBLEMS.items()]
    )
