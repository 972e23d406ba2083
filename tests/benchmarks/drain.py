"""5,000 due registrations over HTTPS to a server that answers at once: ours against what people would use instead."""

from __future__ import annotations

import time

import requests

from tests.benchmarks import draining, stand
from tests.benchmarks.report import Line, at_least, rival
from tests.benchmarks.rivals.engines import OTHERS, TUNED_CELERY, TUNED_CELERY_FIGURE

_OVER_CELERY, _OVER_OTHERS = 3.0, 2.5
_THREADS = (8, 16, 32)
# A rival that is slow gets fewer rows: its rate is the same, and the run ends before lunch.
_SECONDS = 15.0


def run(*, small: bool) -> list[Line]:
    """Drain with every engine, one after the other."""
    rows = 100 if small else 5000
    found = [_server_alone(200 if small else 5000)]
    celery = []
    for engine in TUNED_CELERY:
        drained = draining.theirs(engine, rows)
        celery.append(drained.rate)
        found.append(Line("drain", engine.name, f"{drained.rate:.0f}/s", cpu=drained.cpu))
    best_celery = max(celery)
    found.append(rival("drain", "Celery, tuned, the better one", best_celery, TUNED_CELERY_FIGURE))
    others = []
    for engine in OTHERS:
        few = min(rows, int(engine.figure * _SECONDS))
        drained = draining.theirs(engine, few)
        others.append(drained.rate)
        found.append(
            rival("drain", f"{engine.name}, {few} rows", drained.rate, engine.figure, cpu=drained.cpu)
        )
    return [*found, *_ours(rows, best_celery, max(others), small=small)]


def _ours(rows: int, celery: float, others: float, *, small: bool) -> list[Line]:
    found, rates = [], {}
    for threads in (8,) if small else _THREADS:
        drained = draining.ours(rows, threads=threads)
        rates[threads] = drained.rate
        found.append(Line("drain", f"ours, {threads} threads", f"{drained.rate:.0f}/s", cpu=drained.cpu))
    best = max(rates, key=lambda threads: rates[threads])
    both = draining.ours(rows, threads=best, count=2)
    found.append(Line("drain", f"ours, 2 processes of {best} threads", f"{both.rate:.0f}/s", cpu=both.cpu))
    # One process uses little more than one core, and the rivals have two: for information.
    for name, rival_rate in (("tuned Celery", celery), ("the best of the others", others)):
        ratio = rates[best] / rival_rate
        found.append(Line("drain", f"ours, 1 process, {best} threads, over {name}", f"{ratio:.2f}x"))
    for name, rival_rate, limit in (
        ("tuned Celery", celery, _OVER_CELERY),
        ("the best of the others", others, _OVER_OTHERS),
    ):
        ratio = both.rate / rival_rate
        found.append(at_least("drain", f"ours, 2 processes, over {name}", ratio, limit, "{:.2f}x"))
    return found


def _server_alone(calls: int) -> Line:
    """Ask the server as fast as one plain connection can: its CPU per call says how far it is from holding us up."""
    with stand.elevate() as server, requests.Session() as session:
        session.verify, session.trust_env = server.ca, False
        session.get(f"{server.url}/stats", timeout=10)
        began, started = server.stats()["cpu"], time.monotonic()
        for _ in range(calls):
            session.post(f"{server.url}/api/registrations", data=b"{}", timeout=10)
        spent = server.stats()["cpu"] - began
        rate = calls / (time.monotonic() - started)
    return Line(
        "drain",
        "the server alone",
        f"{spent / calls * 1e6:.0f} us of CPU a call: {calls / max(spent, 1e-9):.0f}/s on one core",
        cpu=f"one `requests` client: {rate:.0f}/s",
    )
