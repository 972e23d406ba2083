"""Drains a full queue, ours or a rival's, and tells how fast: from the first call's arrival to the last row written.

The start of processes counts for nobody. Jobs are enqueued before any worker runs. Each run has a server of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks import fill, stand
from tests.benchmarks.rivals.engines import Engine


@dataclass(frozen=True)
class Drained:
    """rate: rows a second. CPU milliseconds a row: of the workers, of the database's backends, of the server.

    calls: how many the server counted.
    """

    rate: float
    workers: float
    database: float
    server: float
    calls: int

    @property
    def cpu(self) -> str:
        """Show the CPU of a row."""
        return f"{self.workers:.2f} worker + {self.database:.2f} db + {self.server:.2f} server ms/row"


def ours(rows: int, *, threads: int, count: int = 1, latency: float = 0.0) -> Drained:
    """Let `count` workers with so many threads register `rows` due registrations, and check what they wrote."""
    from elevate_integration.models import Attempt, Registration

    fill.empty()
    fill.due(1, rows)
    open_rows = Registration.objects.filter(registration_id="")
    worker = ("-m", "django", "elevate_worker", "--threads", str(threads))
    with stand.elevate(latency=latency) as server:
        drained = _measure(
            rows, (worker,) * count, server.environment(), server, lambda: not open_rows.exists()
        )
    assert Registration.objects.filter(status="registered").count() == rows
    assert Attempt.objects.filter(outcome="done").count() == rows
    return drained


def theirs(engine: Engine, rows: int) -> Drained:
    """Let a rival register `rows` sales, and check what it wrote."""
    from tests.benchmarks.rivals.models import Sale

    Sale.objects.all().delete()
    made = Sale.objects.bulk_create([Sale(person_id=f"M-{n}") for n in range(rows)], batch_size=1000)
    open_rows = Sale.objects.filter(registration_id="")
    with stand.elevate() as server, forgetting():
        engine.enqueue([sale.pk for sale in made])
        fill.analyse()
        environment = {**server.environment(many_cas=engine.many_cas), **engine.environment}
        return _measure(rows, engine.commands, environment, server, lambda: not open_rows.exists())


@contextlib.contextmanager
def forgetting() -> Iterator[None]:
    """Leave no job of a rival behind, however the run ended."""
    from django.db import connection

    try:
        yield
    finally:
        stand.forget_redis_queues()
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE procrastinate_jobs, django_tasks_database_dbtaskresult CASCADE")


def _measure(
    rows: int,
    commands: Sequence[Sequence[str]],
    environment: dict[str, str],
    server: stand.Elevate,
    done: Callable[[], bool],
) -> Drained:
    with stand.processes(commands, environment) as workers:
        stand.wait_until(lambda: server.stats()["count"] > 0, alive=workers)
        first = server.stats()
        before = workers.cpu(), stand.database_cpu()
        _wait_for_calls(rows, server, workers)
        stand.wait_until(done, every=0.003, alive=workers)
        ended = time.time()
        after = workers.cpu(), stand.database_cpu()
        last = server.stats()
    left = max(rows - first["count"], 1) / 1e3
    return Drained(
        rate=rows / (ended - first["first"]),
        workers=(after[0] - before[0]) / left,
        database=max(after[1] - before[1], 0.0) / left,
        server=(last["cpu"] - first["cpu"]) / left,
        calls=last["count"],
    )


def _wait_for_calls(rows: int, server: stand.Elevate, workers: stand.Processes) -> None:
    """Wait until the server has seen all: seldom at first, since looking costs what is measured, and often at the end."""
    began, ends = time.time(), time.monotonic() + stand.PATIENCE
    while (seen := server.stats()["count"]) < rows:
        if time.monotonic() > ends:
            raise TimeoutError(f"Only {seen} of {rows} calls within {stand.PATIENCE:.0f} s.")
        workers.check()
        speed = seen / max(time.time() - began, 0.01)
        time.sleep(min(max((rows - seen) / speed / 2, 0.005), 0.5))
