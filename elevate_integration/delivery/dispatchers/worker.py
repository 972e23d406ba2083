"""The dispatcher `worker`: a process of its own delivers."""

from __future__ import annotations

from elevate_integration.delivery import listener
from elevate_integration.delivery.dispatchers.base import Dispatcher


class WorkerDispatcher(Dispatcher):
    """Leaves everything to `manage.py elevate_worker`: told by NOTIFY on PostgreSQL, else it looks every second."""

    def wake(self, order_ref: str = "") -> None:
        """Notify the workers, where the database can."""
        listener.notify(order_ref)
