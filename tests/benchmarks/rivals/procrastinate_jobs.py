"""Procrastinate: `manage.py procrastinate worker`. Its queue is a table, and it listens for NOTIFY."""

from __future__ import annotations

from procrastinate.contrib.django import app

from tests.benchmarks.rivals import work


@app.task(name="rivals.register")
def register(pk: int) -> None:
    """Register one sale."""
    work.register(pk)
