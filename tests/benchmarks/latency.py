"""From the commit of an order to the arrival of its request at Elevate, with each way to wake delivery.

Orders come at random moments, about 20 a second, whatever became of the one before. Each writes one row, and one row is
read to register it: by a rival's job, or by the order source whose order we sync in between. What is compared is
measured in turn, several times: a machine is not the same a minute later.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks import draining, fill, stand
from tests.benchmarks.report import Line, at_most
from tests.benchmarks.rivals.engines import CELERY_PREFORK, DJANGO_Q, PROCRASTINATE

_WORKER = ("-m", "django", "elevate_worker")
_WARM_UP = 10
_SAMPLES, _ROUNDS = 300, 3
_CELERY = "Celery on Redis"


@dataclass(frozen=True)
class _Way:
    """buyer: how the buying process enqueues, see `buyer`. limit: milliseconds for the median, where one is promised.

    rounds: in how many parts it is measured.
    """

    name: str
    buyer: str
    commands: Sequence[Sequence[str]] = ()
    environment: dict[str, str] = field(default_factory=dict)
    limit: float = 0.0
    rounds: int = 1


_OURS = {"BENCH_SOURCE": "SaleSource"}
_WAYS = (
    _Way(
        "ours, thread of the web process", "ours", (), {**_OURS, "BENCH_DISPATCHER": "thread"}, 5.0, _ROUNDS
    ),
    _Way("ours, worker told by NOTIFY", "ours", (_WORKER,), _OURS, 6.0, _ROUNDS),
    _Way("ours, worker that nobody tells: looks every second", "untold", (_WORKER,), _OURS),
    _Way(_CELERY, "celery", CELERY_PREFORK.commands, rounds=_ROUNDS),
    _Way("Procrastinate", "procrastinate", PROCRASTINATE.commands),
    _Way("django-q2 on Redis", "django_q", DJANGO_Q.commands),
)


def run(*, small: bool) -> list[Line]:
    """Buy with each way in turn."""
    samples = 30 if small else _SAMPLES
    measured: dict[str, list[float]] = {way.name: [] for way in _WAYS}
    costs: dict[str, list[float]] = {way.name: [] for way in _WAYS}
    for number in range(_ROUNDS):
        for way in _WAYS:
            if number < way.rounds:
                waits, cpu = _waits(way, samples // way.rounds)
                measured[way.name] += waits
                costs[way.name].append(cpu)
    found: list[Line] = []
    middles: dict[str, float] = {}
    for way in _WAYS:
        waits, cpu = sorted(measured[way.name]), sum(costs[way.name]) / way.rounds
        middle, late = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
        middles[way.name] = middle
        cost = f"{cpu:.1f} ms/order"
        what = f"{way.name}: p50"
        if way.limit:
            found.append(at_most("latency", what, middle, way.limit, "{:.1f} ms", cost))
        else:
            found.append(Line("latency", what, f"{middle:.1f} ms", cpu=cost))
        found.append(Line("latency", f"{way.name}: p99 of {len(waits)}", f"{late:.1f} ms"))
    celery = middles[_CELERY]
    return found + [
        at_most("latency", f"{way.name}: p50 over {_CELERY}", middles[way.name] / celery, 1.0, "{:.2f}x")
        for way in _WAYS
        if way.limit
    ]


def _waits(way: _Way, samples: int) -> tuple[list[float], float]:
    """Give the milliseconds between commit and arrival of each order, and the CPU milliseconds of one."""
    fill.empty()
    count = samples + _WARM_UP
    with stand.elevate(arrivals=True) as server, draining.forgetting():
        environment = {**server.environment(), **way.environment}
        with (
            stand.processes(way.commands, environment) as workers,
            _buyer(way.buyer, count, {**environment, **way.environment}) as buyer,
        ):
            stand.wait_until(lambda: server.stats()["count"] > 0, alive=workers)
            before, started = workers.cpu(), server.stats()["count"]
            stand.wait_until(lambda: server.stats()["count"] >= count, every=0.25, alive=workers)
            cpu = (workers.cpu() - before) / max(count - started, 1) * 1e3
            told = json.loads(buyer.finish())
        arrivals = server.stats()["arrivals"]
    commits: dict[str, float] = told["commits"]
    late = list(commits)[_WARM_UP:]
    cpu += told["cpu"] / count * 1e3
    return [(arrivals[person] - commits[person]) * 1e3 for person in late], cpu


class _buyer:  # noqa: N801 - reads as a context manager
    """The process that buys. It waits for a line before it ends, so that a delivering thread of its own can finish."""

    def __init__(self, how: str, count: int, environment: dict[str, str]) -> None:
        import os

        command = [sys.executable, "-m", "tests.benchmarks.buyer", how, str(count)]
        self._popen = subprocess.Popen(
            command,
            env={**os.environ, **environment, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> _buyer:
        # Workers need a moment to be ready; the first orders are not counted either.
        time.sleep(0)
        return self

    def finish(self) -> str:
        """Let it end, and give what it tells."""
        out, _ = self._popen.communicate("end\n", timeout=60)
        return out.splitlines()[-1]

    def __exit__(self, *error: object) -> None:
        self._popen.kill()
        self._popen.wait()
