"""A store whose orders are named by any text: what the paths of the API must carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from elevate_integration.orders.source import Learner, OrderSource, Seat, Snapshot, Watch

ADA = Learner("M-1", "Ada", "Sample", "ada@example.org")


class AnyText(OrderSource):
    """Knows the orders in `orders`, one paid seat each; the log-in's user name is the learner's ID."""

    orders: ClassVar[set[str]] = set()
    broken: ClassVar[Exception | None] = None

    def watches(self) -> Iterable[Watch]:
        return []

    def snapshot(self, order_ref: str) -> Snapshot | None:
        if self.broken is not None:
            raise self.broken
        if order_ref not in self.orders:
            return None
        seat = Seat(
            "seat:1", ("course:ETHICS",), ADA, active=True, amount_paid=Decimal("120.00"), title="Ethics"
        )
        return Snapshot(order_ref, ADA, (seat,))

    def recent(self, since: datetime | None) -> Iterator[str]:
        return iter(sorted(self.orders))

    def placed_at(self, order_ref: str) -> datetime | None:
        return datetime(2026, 1, 1, tzinfo=UTC) if order_ref in self.orders else None

    def learner_for(self, user: Any) -> Learner | None:
        return Learner(user.get_username())
