"""Workers that are killed at random moments, and exactly between Elevate's answer and our commit."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import Any

from elevate_integration.models import Attempt, Registration
from elevate_integration.testing import FakeElevate
from tests.faults.count import Tally, at_rest, decide_doubts, expire_leases, sell_seats, wait_until
from tests.faults.crew import Crew

THREADS = 3
WORKERS = 2
# Seconds that Elevate takes for a call.
LATENCY = 0.06


class Witness:
    """Notes at Elevate which process called for whom, and which calls are open."""

    def __init__(self, elevate: FakeElevate) -> None:
        self._lock = threading.Lock()
        self.called: dict[int, set[str]] = defaultdict(set)
        self.open: dict[int, int] = defaultdict(int)
        elevate.on_call, elevate.after_store = self._call, self._stored

    def _call(self, path: str, fields: dict[str, Any]) -> None:
        pid = int(fields["explanation"])
        with self._lock:
            self.called[pid].add(fields["remote_user_id"])
            self.open[pid] += 1
        time.sleep(LATENCY)

    def _stored(self, path: str, fields: dict[str, Any]) -> None:
        with self._lock:
            self.open[int(fields["explanation"])] -= 1

    def calling(self, crew: Crew) -> list[int]:
        """Give the workers with a call open."""
        return [pid for pid in crew.alive if self.open[pid]]

    def unanswered(self, pid: int) -> set[str]:
        """Give the people for whom this process called without having written the answer: its calls in flight."""
        written = Attempt.objects.filter(sent__explanation=str(pid)).values_list(
            "registration__remote_user_id"
        )
        return self.called[pid] - {person for (person,) in written}


def kill_at_random_moments(crew: Crew, elevate: FakeElevate, *, rows: int, kills: int, seed: int) -> None:
    """Kill one of the workers `kills` times while `rows` registrations are sold and delivered."""
    rnd = random.Random(seed)
    witness = Witness(elevate)
    people = [f"M-{number}" for number in range(rows)]
    portion = rows // kills
    in_flight: dict[int, set[str]] = {}
    with_open_call = 0
    for _ in range(WORKERS):
        crew.hire(threads=THREADS)
    for number in range(kills):
        sell_seats(
            people[number * portion :] if number == kills - 1 else people[number * portion :][:portion]
        )
        if number % 4:
            wait_until(lambda: witness.calling(crew) or at_rest(), what="a call of a worker")
            time.sleep(rnd.uniform(0, LATENCY / 2))
        else:
            time.sleep(rnd.uniform(0, 0.2))
        victim = rnd.choice(witness.calling(crew) or crew.alive)
        with_open_call += witness.open[victim] > 0
        crew.kill(victim)
        in_flight[victim] = witness.unanswered(victim)
        crew.hire(threads=THREADS)
    wait_until(at_rest, what="all that a program may deliver is delivered")
    decided = decide_doubts(elevate)
    wait_until(at_rest, what="what the office sent again is delivered")
    tally = Tally(elevate, people)
    tally.report(
        f"{kills} workers killed (seed {seed})",
        with_a_call_open=with_open_call,
        calls_in_flight_at_the_kills=sum(map(len, in_flight.values())),
        left_to_the_office=decided,
    )
    assert len(crew.killed) == kills
    assert with_open_call >= kills // 2
    tally.check(most_doubled=sum(map(len, in_flight.values())))
    assert Registration.objects.by_status() == {"registered": rows}
    _each_double_was_in_flight(elevate, tally, in_flight)


def _each_double_was_in_flight(elevate: FakeElevate, tally: Tally, in_flight: dict[int, set[str]]) -> None:
    assert all(len(people) <= THREADS for people in in_flight.values()), (
        "it called for more than it has threads"
    )
    first: dict[str, list[int]] = defaultdict(list)
    for held in elevate.live():
        first[held.remote_user_id].append(int(held.fields["explanation"]))
    for person in tally.doubled:
        # All but the last of a person's registrations came from a worker that died during that very call.
        assert all(person in in_flight.get(pid, ()) for pid in first[person][:-1]), person


# Where a worker dies: what it runs before it begins, and whether its answers are lost.
_DIE = "import os, signal\nfrom elevate_integration import signals\nfrom elevate_integration.delivery import gate, settling\n"
_NOW = "lambda *a, **o: os.kill(os.getpid(), signal.SIGKILL)\n"
MOMENTS = {
    "the answer is in, nothing is written": (f"{_DIE}settling.settle_all = {_NOW}", True),
    "all is written, nothing is committed": (f"{_DIE}gate.judge = {_NOW}", True),
    "all is committed, nobody is told": (f"{_DIE}signals.registered.send_robust = {_NOW}", False),
}


def die_between_answer_and_commit(crew: Crew, elevate: FakeElevate, *, moment: str, rows: int) -> None:
    """Let a worker die at exactly this moment, and another one go on."""
    code, answers_lost = MOMENTS[moment]
    witness = Witness(elevate)
    people = [f"M-{number}" for number in range(rows)]
    sell_seats(people)
    crew.wait_for_the_end_of(victim := crew.hire(threads=THREADS, code=code))
    wait_until(lambda: not witness.open[victim], what="Elevate has ended the calls of the dead")
    in_flight = witness.unanswered(victim)
    expire_leases()
    stored = {held.remote_user_id for held in elevate.live()}
    assert stored, "it ended before it had called anybody"
    crew.hire(threads=THREADS)
    wait_until(at_rest, what="everything is delivered")
    tally = Tally(elevate, people)
    tally.report(f"Killed when {moment}", calls_in_flight=len(in_flight))
    tally.check(most_doubled=len(in_flight))
    assert tally.doubled.keys() == in_flight & stored
    if answers_lost:
        assert 1 <= len(tally.doubled) <= THREADS
    assert Registration.objects.by_status() == {"registered": rows}
