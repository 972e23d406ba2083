"""What a claim costs beside 10,000 and beside 1,000,000 finished registrations, on PostgreSQL and on MariaDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median

from elevate_integration.delivery import queue
from elevate_integration.models import Attempt, Registration
from tests.benchmarks import fill, stand
from tests.benchmarks.report import Line, at_most

_LIMIT = 1.2
_AT_ONCE = 100
_SMALL, _SIZES = (1000, 20_000), (10_000, 1_000_000)


def _claims(count: int) -> list[float]:
    """Claim `count` times, a hundred rows each, and give the seconds of each claim."""
    top = 10_000_000
    fill.due(top + 1, top + count * _AT_ONCE)
    spent = []
    for _ in range(count):
        started = time.perf_counter()
        claimed = queue.claim(_AT_ONCE)
        spent.append(time.perf_counter() - started)
        assert len(claimed) == _AT_ONCE
    Attempt.objects.all().delete()
    Registration.objects.filter(at_elevate="absent").delete()
    fill.analyse()
    return spent


def _medians(sizes: tuple[int, int], claims: int) -> tuple[float, float]:
    fill.empty()
    found = []
    for size in sizes:
        fill.registered(size)
        _claims(3)
        found.append(median(_claims(claims)))
    return found[0], found[1]


def _on_mariadb(*, small: bool) -> tuple[float, float]:
    """The same in a process of its own, since a process of Django knows one database here."""
    with stand.new_database(stand.MARIADB_URL) as url:
        code = (
            "import json; from tests.benchmarks import stand; stand.set_up(tables=True);"
            f"from tests.benchmarks import claim; print(json.dumps(claim.sized(small={small})))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "BENCH_DATABASE_URL": url, "BENCH_RIVALS": "no"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    few, many = json.loads(ended.stdout.splitlines()[-1])
    return few, many


def sized(*, small: bool) -> tuple[float, float]:
    """Give the median seconds of a claim beside few and beside many finished rows."""
    return _medians(_SMALL if small else _SIZES, 5 if small else 60)


def run(*, small: bool) -> list[Line]:
    """Compare both sizes on both databases."""
    found = []
    for name, measured in (("PostgreSQL", sized), ("MariaDB", _on_mariadb)):
        few, many = measured(small=small)
        note = f"{few * 1e3:.1f} ms, then {many * 1e3:.1f} ms for {_AT_ONCE} rows"
        sizes = _SMALL if small else _SIZES
        what = f"{name}: {sizes[1]} finished rows over {sizes[0]}"
        found.append(at_most("claim", what, many / few, _LIMIT, "{:.2f}x", note=note))
    return found
