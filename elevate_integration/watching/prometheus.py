"""Measurements for Prometheus, through the official client (extra `prometheus`).

Two kinds. What a process does is counted where it is done. How delivery as a whole stands is read from the database
when a monitor asks, so it is the same from whichever process it is asked: take the maximum, not the sum.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from elevate_integration.lifecycle import Operation, Outcome, Status
from elevate_integration.observing import End
from elevate_integration.overview import PAUSED, RUNNING, SILENT
from elevate_integration.watching.standing import Standing, reader
from elevate_integration.words import GATES

CONTENT_TYPE = CONTENT_TYPE_LATEST
CONDITIONS = (RUNNING, PAUSED, SILENT, *sorted(GATES))

CAPTURE = Histogram(
    "elevate_capture_seconds",
    "What the marking of an order took in the host's transaction.",
    ["result"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
SYNC = Histogram(
    "elevate_sync_seconds",
    "What reading an order and writing what is wanted took.",
    ["trigger", "result"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30),
)
CLAIM = Histogram(
    "elevate_claim_seconds",
    "What taking due registrations took.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
CLAIMED = Counter("elevate_claimed", "Registrations that were taken to be sent, but for those sent at once.")
CALL = Histogram(
    "elevate_call_seconds",
    "What a call to Elevate took.",
    ["operation", "outcome"],
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 90),
)
STATUS = Counter("elevate_status_changes", "Registrations that took a new status by an answer.", ["status"])
WAIT = Histogram(
    "elevate_wait_seconds",
    "From the paid order's reading to the access, where nobody's help was needed.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400),
)
# There from the start: the growth of a number that begins with its first failure would not be seen.
for _result in ("ok", "failed"):
    CAPTURE.labels(_result)
for _operation, _outcome in product(Operation, Outcome):
    CALL.labels(str(_operation), str(_outcome))
for _status in Status:
    STATUS.labels(str(_status))

MEASURED = (CAPTURE, SYNC, CLAIM, CLAIMED, CALL, STATUS, WAIT)

# Read from the database when asked: name, label and meaning.
READ: dict[str, tuple[str, str]] = {
    "elevate_database_up": ("", "Whether the database could be asked; the others are missing when not."),
    "elevate_registrations": ("status", "Registrations in each status, counted up to 100,000."),
    "elevate_registrations_need_person": ("status", "Registrations that wait for a person."),
    "elevate_due_calls": ("", "Calls that are due and not taken yet."),
    "elevate_oldest_due_call_seconds": ("", "For how long the longest-waiting call has been due."),
    "elevate_due_orders": ("", "Marks of orders that are due to be read."),
    "elevate_oldest_due_order_seconds": ("", "For how long the longest-waiting mark has been due."),
    "elevate_unread_orders": ("", "Orders that the order source could not read the last time."),
    "elevate_delivery_condition": ("condition", "1 for how delivery is, 0 for how it is not."),
    "elevate_delivery_alarm": ("", "1 while an alarm waits for a person."),
    "elevate_heartbeat_timestamp_seconds": ("", "When whoever delivers last gave a sign of life."),
}


class PrometheusObserver:
    """Counts and times what the services do."""

    def begin(self, step: str, keys: dict[str, Any]) -> End | None:
        """Start the clock of a step."""
        write = _WRITERS.get(step)
        if write is None:
            return None
        started = time.perf_counter()
        return lambda ended, error: write(time.perf_counter() - started, ended, error)

    def happened(self, what: str, keys: dict[str, Any]) -> None:
        """Count a new status."""
        if what == "status":
            STATUS.labels(keys["status"]).inc()
            if keys["waited"] is not None:
                WAIT.observe(keys["waited"])


def _capture(seconds: float, keys: dict[str, Any], error: str) -> None:
    CAPTURE.labels("failed" if error else "ok").observe(seconds)


def _sync(seconds: float, keys: dict[str, Any], error: str) -> None:
    SYNC.labels(keys["trigger"], "failed" if error else keys["result"]).observe(seconds)


def _claim(seconds: float, keys: dict[str, Any], error: str) -> None:
    CLAIM.observe(seconds)
    CLAIMED.inc(keys.get("claimed", 0))


def _call(seconds: float, keys: dict[str, Any], error: str) -> None:
    CALL.labels(keys["operation"], keys.get("outcome", "unknown")).observe(seconds)


_WRITERS = {"capture": _capture, "sync": _sync, "claim": _claim, "call": _call}


class StandingCollector(Collector):
    """Gives what is read from the database."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the metrics without asking the database."""
        return _families().values()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read, or take what was read seconds ago."""
        standing = reader.standing()
        found = _families()
        found["elevate_database_up"].add_metric([], 0.0 if standing is None else 1.0)
        if standing is not None:
            _fill(found, standing)
        yield from (family for family in found.values() if family.samples)


def _families() -> dict[str, GaugeMetricFamily]:
    return {
        name: GaugeMetricFamily(name, text, labels=[label] if label else [])
        for name, (label, text) in READ.items()
    }


def _fill(found: dict[str, GaugeMetricFamily], standing: Standing) -> None:
    for status, number in standing.by_status.items():
        found["elevate_registrations"].add_metric([status], number)
    for status, number in standing.need_person.items():
        found["elevate_registrations_need_person"].add_metric([status], number)
    for condition in CONDITIONS:
        is_so = float(condition == standing.condition)
        found["elevate_delivery_condition"].add_metric([condition], is_so)
    for name, value in (
        ("elevate_due_calls", standing.due_calls),
        ("elevate_oldest_due_call_seconds", standing.oldest_call),
        ("elevate_due_orders", standing.due_marks),
        ("elevate_oldest_due_order_seconds", standing.oldest_mark),
        ("elevate_unread_orders", standing.unread_orders),
        ("elevate_delivery_alarm", float(standing.alarm)),
        ("elevate_heartbeat_timestamp_seconds", standing.heartbeat),
    ):
        found[name].add_metric([], value)


_collector = StandingCollector()
REGISTRY.register(_collector)


def registry() -> CollectorRegistry:
    """Give what is to be shown: this process's, or that of all processes where they share PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    shared.register(_collector)
    return shared


def exposition() -> bytes:
    """Write all metrics as Prometheus reads them."""
    return generate_latest(registry())


def serve(port: int, address: str) -> tuple[Any, Any]:
    """Show the metrics of this process at a port of its own; gives server and thread. Raises OSError."""
    return start_http_server(port, address, registry())
