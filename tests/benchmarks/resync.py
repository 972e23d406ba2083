"""`elevate_resync` over a million orders in which nothing has changed: memory, queries, orders a second.

All of them are counted (`--all --dry-run`), and the tenth that was changed lately is counted and acted upon: acting on
an order in which nothing has changed is reading it once more.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psutil
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from elevate_integration import receivers
from elevate_integration.delivery.sweep import _BATCH
from tests.benchmarks import fill
from tests.benchmarks.report import Line, at_most

_GROWTH = 1.10
# Two queries for each batch are the source's own.
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


@dataclass(frozen=True)
class _Run:
    """One run of the command: what it told, its seconds and CPU seconds, its queries, its memory after each batch."""

    told: str
    seconds: float
    cpu: float
    queries: int
    memory: list[float]


def _resync(**options: Any) -> _Run:
    progress, counter, told = _Progress(), _Counter(), io.StringIO()
    started, cpu = time.monotonic(), time.process_time()
    with connection.execute_wrapper(counter):
        call_command("elevate_resync", stdout=told, stderr=progress, **options)
    spent, used = time.monotonic() - started, time.process_time() - cpu
    return _Run(told.getvalue(), spent, used, counter.queries, progress.memory)


def run(*, small: bool) -> list[Line]:
    """Have all orders counted, and the tenth that was changed lately counted and acted upon."""
    orders = 20_000 if small else 1_000_000
    receivers.disconnect()
    fill.registered(orders)
    fill.orders(orders)
    counted = _resync(all=True, dry_run=True)
    yesterday = (timezone.now() - timedelta(days=1)).date().isoformat()
    acted = _resync(since=yesterday)
    nothing = "orders read, 0 new registrations, 0 cancels, 0 other changes"
    assert f"Would do: {orders} {nothing}" in counted.told, counted.told
    assert f"Done: {orders // 10} {nothing}" in acted.told, acted.told
    found = []
    for what, done, read in (
        (f"{orders} orders counted", counted, orders),
        (f"{orders // 10} orders counted and acted upon", acted, orders // 5),
    ):
        early = done.memory[len(done.memory) // 10]
        most = max(done.memory[len(done.memory) // 10 :])
        note = f"{early:.0f} MB after a tenth, {most:.0f} MB at most"
        found += [
            at_most("resync", f"{what}: growth of RSS", most / early, _GROWTH, "{:.3f}x", note=note),
            at_most(
                "resync",
                f"{what}: queries for a batch of {_BATCH}",
                done.queries / (read / _BATCH),
                _QUERIES,
                "{:.1f}",
                note=f"{done.queries} in all",
            ),
            Line(
                "resync",
                f"{what}: orders read a second",
                f"{read / done.seconds:.0f}/s ({done.seconds:.0f} s)",
                cpu=f"{done.cpu / read * 1e3:.2f} ms/order",
            ),
        ]
    return found
