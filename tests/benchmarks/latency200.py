"""A server that takes 200 ms: how near the calls in flight come to what they could make at most."""

from __future__ import annotations

from tests.benchmarks import draining
from tests.benchmarks.report import Line, at_least

_LATENCY = 0.2
# Calls in flight, and the part of calls / 200 ms that they must reach.
_PARTS = {64: 0.90, 128: 0.85}
_SECONDS = 12


def run(*, small: bool) -> list[Line]:
    """Drain with 64 and with 128 calls in flight."""
    found = []
    for threads, part in _PARTS.items():
        most = threads / _LATENCY
        drained = draining.ours(int(most * (1 if small else _SECONDS)), threads=threads, latency=_LATENCY)
        what = f"{threads} calls in flight, of {most:.0f}/s at most"
        found.append(at_least("latency200", what, drained.rate, most * part, "{:.0f}/s", cpu=drained.cpu))
    return found
