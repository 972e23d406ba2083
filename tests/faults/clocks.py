"""A database whose clock jumps. All our times come from `clock.now_sql`, so that is where it is moved."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from elevate_integration import clock, locking, marks
from elevate_integration.models import Registration
from elevate_integration.prepared import Prepared
from elevate_integration.testing import FakeElevate
from tests.faults.answers import THREADS, running_worker
from tests.faults.count import DEADLINE, Tally, at_rest, decide_doubts, sell_seats, wait_until


class JumpingClock:
    """The database's clock, moved by `offset` seconds."""

    offset = 0.0

    def jump(self, seconds: float) -> None:
        """Move the clock: forwards, or backwards if negative."""
        self.offset += seconds


@contextmanager
def jumping_clock() -> Iterator[JumpingClock]:
    """Give a clock that can be moved, for every query that this process makes."""
    made, real = JumpingClock(), clock.now_sql

    def moved(connection: Any, seconds: float = 0.0) -> str:
        return real(connection, seconds + made.offset)

    with ExitStack() as patches:
        for module in (clock, marks, locking):
            patches.enter_context(patch.object(module, "now_sql", moved))
        # What is compiled once would keep the hour of its first use.
        patches.enter_context(patch.object(Prepared, "__call__", _ask_anew))
        patches.enter_context(patch.object(locking, "_statement", locking._statement.__wrapped__))
        yield made


def _ask_anew(question: Prepared, using: str, shape: tuple[Any, ...] = (), /, **values: Any) -> list[Any]:
    return list(question._build(*shape, **values).using(using))


class Doorkeeper:
    """Keeps calls waiting at Elevate until they may go on."""

    def __init__(self, elevate: FakeElevate) -> None:
        self.may_go_on = threading.Event()
        elevate.on_call = lambda path, fields: self.may_go_on.wait(DEADLINE)


def jump_in_a_drain(elevate: FakeElevate, clock: JumpingClock, *, rows: int, seconds: float) -> None:
    """Move the clock while calls are open and others wait, and back again when it went backwards."""
    people = [f"M-{number}" for number in range(rows)]
    sell_seats(people)
    door = Doorkeeper(elevate)
    with running_worker(), ExitStack() as later:
        wait_until(lambda: elevate.open_calls == THREADS, what="calls are open")
        clock.jump(seconds)
        if seconds > 0:
            # To another worker the leases of the first one may have run out.
            later.enter_context(running_worker())
            wait_until(lambda: elevate.open_calls == 2 * THREADS, what="another worker calls too")
        door.may_go_on.set()
        if seconds < 0:
            wait_until(lambda: not elevate.open_calls, what="the open calls have ended")
            late = f"{people[0]}-later"
            people.append(late)
            sell_seats([late])
            Registration.objects.filter(remote_user_id=late).update(due_at=clock_now())
            wait_until(lambda: elevate_has(elevate, late), what="what is sold after the jump is delivered")
            clock.jump(-seconds)
        wait_until(at_rest, what="everything is delivered")
        decided = decide_doubts(elevate)
        wait_until(at_rest, what="what the office sent again is delivered")
    tally = Tally(elevate, people)
    tally.report(f"The clock jumped by {seconds:+g} s", calls_open_then=THREADS, left_to_the_office=decided)
    tally.check(most_doubled=THREADS if seconds > 0 else 0)
    assert Registration.objects.by_status() == {"registered": len(people)}


def clock_now() -> Any:
    """Give what the moved clock says."""
    return clock.database_now("default")


def elevate_has(elevate: FakeElevate, person: str) -> bool:
    """Whether Elevate holds this person."""
    return any(held.remote_user_id == person for held in elevate.live())
