"""`elevate_resync --all` over a million orders in which nothing has changed: memory, queries, orders a second."""

from __future__ import annotations

import io
import time
from typing import Any

import psutil
from django.core.management import call_command
from django.db import connection

from elevate_integration import receivers
from elevate_integration.delivery.sweep import _BATCH
from tests.benchmarks import fill
from tests.benchmarks.report import Line, at_most

_GROWTH = 1.10
# Both of the command's passes, counting and acting, read each batch once; two queries of it are the source's own.
_QUERIES = 8


class _Progress(io.StringIO):
    """Takes the place of the terminal, to which the command tells after each batch how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: list[float] = []
        self._process = psutil.Process()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "\r" in text:
            self.memory.append(self._process.memory_info().rss / 1e6)
        return len(text)


class _Counter:
    def __init__(self) -> None:
        self.queries = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.queries += 1
        return execute(sql, params, many, context)


def run(*, small: bool) -> list[Line]:
    """Resync everything, and look at the memory after each batch."""
    orders = 10_000 if small else 1_000_000
    receivers.disconnect()
    fill.registered(orders)
    fill.orders(orders)
    progress, counter, told = _Progress(), _Counter(), io.StringIO()
    started, cpu = time.monotonic(), time.process_time()
    with connection.execute_wrapper(counter):
        call_command("elevate_resync", all=True, stdout=told, stderr=progress)
    spent, used = time.monotonic() - started, time.process_time() - cpu
    assert (
        f"Done: {orders} orders read, 0 new registrations, 0 cancels, 0 other changes" in told.getvalue()
    ), told.getvalue()
    batches = 2 * orders / _BATCH
    memory = progress.memory
    early, most = memory[len(memory) // 10], max(memory[len(memory) // 10 :])
    return [
        at_most(
            "resync",
            f"growth of RSS over {orders} orders, read twice",
            most / early,
            _GROWTH,
            "{:.3f}x",
            note=f"{early:.0f} MB after a tenth, {most:.0f} MB at most",
        ),
        at_most(
            "resync",
            f"queries for a batch of {_BATCH} orders",
            counter.queries / batches,
            _QUERIES,
            "{:.1f}",
            note=f"{counter.queries} in all",
        ),
        Line(
            "resync",
            "orders a second, counting and acting",
            f"{orders / spent:.0f}/s ({spent:.0f} s)",
            cpu=f"{used / orders * 1e3:.2f} ms/order",
        ),
    ]
