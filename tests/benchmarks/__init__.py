"""Benchmarks: run by hand. They measure time, so they never run beside the tests."""

from __future__ import annotations
