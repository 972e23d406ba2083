"""What a claim costs beside 10,000 and beside 1,000,000 finished registrations, on PostgreSQL and on MariaDB.

Each size has a database and a process of its own, and they take turns: a machine that grows slower in between would look
like a table that does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from tests.benchmarks import stand
from tests.benchmarks.report import Line, at_most

_LIMIT = 1.2
_AT_ONCE = 100
_SMALL, _SIZES = (1000, 20_000), (10_000, 1_000_000)
_WARM_UP, _A_TURN, _TURNS = 3, 10, 8


def claims(size: int, turns: int) -> None:
    """Fill the tables, and claim ten times a hundred rows for each line that is read; prints the seconds of each claim."""
    stand.set_up(tables=True)
    from elevate_integration.delivery import queue
    from tests.benchmarks import fill

    fill.empty()
    fill.registered(size)
    count = _WARM_UP + turns * _A_TURN
    fill.due(10_000_001, 10_000_000 + count * _AT_ONCE)

    def claim() -> float:
        started = time.perf_counter()
        claimed = queue.claim(_AT_ONCE)
        spent = time.perf_counter() - started
        assert len(claimed) == _AT_ONCE
        return spent

    print(json.dumps([claim() for _ in range(_WARM_UP)]), flush=True)
    for _ in range(turns):
        sys.stdin.readline()
        print(json.dumps([claim() for _ in range(_A_TURN)]), flush=True)


class _Side:
    """A process that claims beside so many finished rows when it is its turn."""

    def __init__(self, url: str, size: int, turns: int) -> None:
        self.spent: list[float] = []
        self._popen = subprocess.Popen(
            [sys.executable, "-c", f"from tests.benchmarks.claim import claims; claims({size}, {turns})"],
            env={**os.environ, "BENCH_DATABASE_URL": url, "BENCH_RIVALS": "no"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def told(self) -> list[float]:
        """Wait for what it says next."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise RuntimeError("The process that claims has ended; what it wrote is above.")
        seconds: list[float] = json.loads(line)
        return seconds

    def take_turn(self) -> None:
        """Have it claim ten times."""
        assert self._popen.stdin is not None
        self._popen.stdin.write("go\n")
        self._popen.stdin.flush()
        self.spent += self.told()

    def end(self) -> None:
        """End it."""
        self._popen.communicate(timeout=stand.PATIENCE)


@contextlib.contextmanager
def _side(server: str, size: int, turns: int) -> Iterator[_Side]:
    with stand.new_database(server) as url:
        side = _Side(url, size, turns)
        try:
            side.told()
            yield side
        finally:
            side.end()


def _medians(server: str, sizes: tuple[int, int], turns: int) -> tuple[float, float]:
    """Give the median seconds of a claim beside few and beside many finished rows."""
    with _side(server, sizes[0], turns) as few, _side(server, sizes[1], turns) as many:
        for _ in range(turns):
            few.take_turn()
            many.take_turn()
        return median(few.spent), median(many.spent)


def run(*, small: bool) -> list[Line]:
    """Compare both sizes on both databases."""
    found = []
    sizes, turns = (_SMALL, 1) if small else (_SIZES, _TURNS)
    for name, server in (("PostgreSQL", stand.POSTGRES_URL), ("MariaDB", stand.MARIADB_URL)):
        few, many = _medians(server, sizes, turns)
        note = f"{few * 1e3:.1f} ms beside {many * 1e3:.1f} ms for {_AT_ONCE} rows"
        what = f"{name}: {sizes[1]} finished rows over {sizes[0]}"
        found.append(at_most("claim", what, many / few, _LIMIT, "{:.2f}x", note=note))
    return found
