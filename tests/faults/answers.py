"""An Elevate that answers badly for a while and then is well again: what each way may cost, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Registration
from elevate_integration.testing import FakeElevate
from tests.faults.count import Tally, at_rest, decide_doubts, sell_seats, wait_until
from tests.threads import running

THREADS = 3


@dataclass(frozen=True)
class Trouble:
    """One way to answer badly.

    loses: whether Elevate has stored what its client hears nothing of. ends: whether such a call ever ends there.
    """

    fault: str
    loses: bool = False
    ends: bool = True
    options: dict[str, Any] = field(default_factory=dict)


def _status(code: int, **headers: str) -> Trouble:
    return Trouble("status", options={"status": code, "headers": headers})


TROUBLES: dict[str, Trouble] = {
    "slow": Trouble("latency", options={"seconds": 0.15}),
    "429": _status(429),
    "429 with Retry-After": _status(429, **{"Retry-After": "0"}),
    "500": _status(500),
    "502": Trouble("html", options={"status": 502}),
    "503 with Retry-After": _status(503, **{"Retry-After": "0"}),
    "504": _status(504),
    "500 after storing": Trouble("store_then_status", loses=True),
    "reset before reading": Trouble("reset_before_reading"),
    "reset after storing": Trouble("reset_after_storing", loses=True),
    "half a body": Trouble("close_half", loses=True),
    "a byte at a time": Trouble("dribble", loses=True, options={"interval": 0.3}),
    "a body without an end": Trouble("endless", loses=True),
    "garbage": Trouble("garbage", loses=True),
    "no registration ID": Trouble("no_id", loses=True),
    "no answer at all": Trouble("hang", ends=False),
    "an answer after the time-out": Trouble("latency", loses=True, options={"seconds": 1.0}),
}
SETTINGS = {
    "READ_TIMEOUT": 0.6,
    "CALL_DEADLINE": 0.8,
    "LEASE": 60.0,
    "PROBE_INTERVAL": 0.05,
    "RETRY_FIRST": 0.02,
    "RETRY_CEILING": 0.1,
}


def running_worker() -> Any:
    """A worker beside a test, stopped in the end."""
    return running(Worker(threads=THREADS, poll=0.02))


def drain_through(elevate: FakeElevate, name: str, *, rows: int, bad: int) -> None:
    """Deliver `rows` registrations while the first `bad` calls are answered like this."""
    trouble = TROUBLES[name]
    people = [f"M-{number}" for number in range(rows)]
    sell_seats(people)
    elevate.fail(trouble.fault, times=bad, **trouble.options)
    with running_worker():
        wait_until(at_rest, what="everything is delivered")
        decided = decide_doubts(elevate)
        wait_until(at_rest, what="what the office sent again is delivered")
    if trouble.ends:
        wait_until(lambda: not elevate.open_calls, what="Elevate has ended its calls")
    _finish(elevate, people, name, decided, most_doubled=bad if trouble.loses else 0)


def drain_while_away(elevate: FakeElevate, *, rows: int) -> None:
    """Deliver while Elevate is away at first, and comes back."""
    people = [f"M-{number}" for number in range(rows)]
    sell_seats(people)
    elevate.stop()
    with running_worker():
        wait_until(
            lambda: Registration.objects.filter(failures__gt=0).count() >= THREADS, what="calls in vain"
        )
        assert Registration.objects.by_status() == {"pending": rows}
        elevate.start()
        wait_until(at_rest, what="everything is delivered")
    _finish(elevate, people, "away", 0, most_doubled=0)
    assert len(elevate.calls) == rows


def always_too_late(elevate: FakeElevate, *, rows: int) -> None:
    """Deliver to an Elevate that stores everything and never answers in time."""
    people = [f"M-{number}" for number in range(rows)]
    sell_seats(people)
    elevate.fail("latency", times=None, seconds=1.0)
    with running_worker():
        wait_until(at_rest, what="a person must decide about everything")
    wait_until(lambda: not elevate.open_calls, what="Elevate has ended its calls")
    tally = Tally(elevate, people)
    tally.report(
        "Always after the time-out", left_to_the_office=Registration.objects.by_status()["unconfirmed"]
    )
    tally.check(most_doubled=rows)
    assert max(tally.live.values()) <= 2
    assert Registration.objects.by_status() == {"unconfirmed": rows}
    assert len(elevate.calls) <= 2 * rows


def _finish(elevate: FakeElevate, people: list[str], title: str, decided: int, *, most_doubled: int) -> None:
    tally = Tally(elevate, people)
    tally.report(f"Elevate answers badly ({title})", left_to_the_office=decided, calls=len(elevate.calls))
    tally.check(most_doubled=most_doubled)
    assert max(tally.live.values()) <= 2
    assert Registration.objects.by_status() == {"registered": len(people)}
