"""What an idle worker asks of the database, and of the processor."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from typing import Any

from django.core.management import call_command
from django.db import connection

from tests.benchmarks import fill
from tests.benchmarks.report import Line, at_most


class _Counter:
    """An execute wrapper that counts, and adds up the time."""

    def __init__(self) -> None:
        self.queries, self.seconds = 0, 0.0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.queries += 1
            self.seconds += time.perf_counter() - started


def run(*, small: bool) -> list[Line]:
    """Let `elevate_worker` run idle, and count what its one database thread asks."""
    fill.empty()
    fill.registered(1000)
    seconds = 4 if small else 20
    counter = _Counter()
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    with connection.execute_wrapper(counter), open(os.devnull, "w") as nowhere:
        call_command("elevate_worker", stdout=nowhere)
    spent, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    each = counter.seconds / max(counter.queries, 1) * 1e3
    # The first look, its heartbeat and one heartbeat every 15 s are part of it: they are not what goes on for ever.
    lasting = counter.queries - 4
    return [
        at_most(
            "idle",
            "queries a second",
            lasting / spent,
            1.0,
            "{:.2f}",
            cpu=f"{cpu / spent * 1e3:.1f} ms/s",
            note=f"{counter.queries} in {spent:.0f} s, 4 of them at the start; {each:.1f} ms each",
        )
    ]
