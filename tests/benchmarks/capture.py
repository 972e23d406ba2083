"""What an order costs more because it is captured: our mark, against what people write by hand or with Celery.

Every variant takes its turn in each round, in changing order, so that noise hits all of them; medians are compared.
"""

from __future__ import annotations

import gc
import random
import time
from collections import defaultdict
from collections.abc import Callable
from queue import SimpleQueue
from statistics import median
from typing import Any

from django.db import connection, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import receivers, wake
from elevate_integration.delivery import listener
from elevate_integration.models import OrderMark
from tests.benchmarks import fill, stand
from tests.benchmarks.report import Line, at_most, rival
from tests.benchmarks.rivals.models import OutboxRow
from tests.plainshop.models import Invoice, Item

_LIMITS = {1: 1.40, 10: 1.30}
# What the rivals cost where it was measured first, for comparison; nothing is judged by it.
_KNOWN = {"Celery": {1: 1.57, 10: 4.6}, "get_or_create": {1: 2.2, 10: 9.3}}


def _order(lines: int) -> None:
    with transaction.atomic():
        invoice = Invoice.objects.create(issued=timezone.now())
        for number in range(lines):
            Item.objects.create(
                invoice=invoice, course="ETHICS", position=number, person_id="M-1", first_name="Ada",
                last_name="Sample", email="ada@example.org", price="120.00",
            )  # fmt: skip


def _by_celery(instance: Item, **_: Any) -> None:
    from tests.benchmarks.rivals.celery_app import nothing

    nothing.delay_on_commit(instance.pk)


def _by_outbox(instance: Item, **_: Any) -> None:
    OutboxRow.objects.get_or_create(line=f"item:{instance.pk}")


class _Variant:
    """One way to capture: `on` and `off` connect it to the shop's signals."""

    def __init__(self, name: str, on: Callable[[], None], off: Callable[[], None]) -> None:
        self.name, self.on, self.off = name, on, off


def _ours(how: Callable[[str], None]) -> Callable[[], None]:
    def on() -> None:
        receivers.connect()
        wake.set_wake(how)

    return on


def _signal(receiver: Callable[..., None]) -> tuple[Callable[[], None], Callable[[], None]]:
    return (
        lambda: post_save.connect(receiver, sender=Item),
        lambda: post_save.disconnect(receiver, sender=Item) and None,
    )


def _variants() -> list[_Variant]:
    # What the dispatcher `thread` does to wake its thread, without the thread: it would deliver meanwhile.
    inbox: SimpleQueue[str] = SimpleQueue()
    return [
        _Variant("bare", lambda: None, lambda: None),
        _Variant("ours", _ours(inbox.put), receivers.disconnect),
        _Variant("ours, NOTIFY after the commit", _ours(listener.notify), receivers.disconnect),
        _Variant("Celery", *_signal(_by_celery)),
        _Variant("get_or_create", *_signal(_by_outbox)),
    ]


def _measure(lines: int, rounds: int, each: int) -> dict[str, float]:
    """Give the median seconds of an order for each variant."""
    spent: dict[str, list[float]] = defaultdict(list)
    variants = _variants()
    for number in range(rounds + 2):
        random.shuffle(variants)
        for variant in variants:
            variant.on()
            for _ in range(each):
                started = time.perf_counter()
                _order(lines)
                # The first rounds warm up caches, connections and plans.
                if number > 1:
                    spent[variant.name].append(time.perf_counter() - started)
            variant.off()
    return {name: median(times) for name, times in spent.items()}


def _inserts(lines: int) -> tuple[int, int]:
    """Give our INSERTs, and all our statements, the savepoint's two included, for one order."""
    receivers.disconnect()
    with CaptureQueriesContext(connection) as bare:
        _order(lines)
    receivers.connect()
    wake.set_wake(None)
    with CaptureQueriesContext(connection) as ours:
        _order(lines)
    receivers.disconnect()
    marks = [query for query in ours if f'INTO "{OrderMark._meta.db_table}"' in query["sql"]]
    return len(marks), len(ours) - len(bare)


def run(*, small: bool) -> list[Line]:
    """Capture orders of one line and of ten."""
    fill.empty()
    found: list[Line] = []
    receivers.disconnect()
    gc.collect()
    gc.disable()
    for lines in (1, 10):
        inserts, statements = _inserts(lines)
        note = f"{statements} statements with the savepoint"
        found.append(
            at_most("capture", f"INSERTs for an order of {lines} lines", inserts, 1, "{:.0f}", note=note)
        )
        rounds = 3 if small else (150 if lines == 1 else 100)
        times = _measure(lines, rounds, each=3 if small else 10)
        bare = times.pop("bare")
        ratio = times.pop("ours") / bare
        note = f"bare {bare * 1e3:.2f} ms"
        found.append(
            at_most("capture", f"ours, order of {lines} lines", ratio, _LIMITS[lines], "{:.2f}x", note=note)
        )
        for name, seconds in times.items():
            known = f", first measured {_KNOWN[name][lines]}x" if name in _KNOWN else ""
            found.append(rival("capture", f"{name}, {lines} lines{known}", seconds / bare, 0.0, "{:.2f}x"))
    gc.enable()
    stand.forget_redis_queues()
    OutboxRow.objects.all().delete()
    return found
