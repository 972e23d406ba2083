"""The dispatcher `worker`: a process of its own delivers."""

from __future__ import annotations

from elevate_integration.delivery.dispatchers.base import Dispatcher


class WorkerDispatcher(Dispatcher):
    """Leaves everything to `manage.py elevate_worker`, which looks every second."""
