"""The fixtures of faults."""

from __future__ import annotations

from tests.faults.conftest import office, server, short_times

__all__ = ["office", "server", "short_times"]
