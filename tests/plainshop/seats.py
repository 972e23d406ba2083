"""The plain shop with people that have accounts: whom a buyer names for an item is found there by the address."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from elevate_integration.orders.source import Learner, Snapshot
from tests.plainshop.source import PlainSource


class GroupSource(PlainSource):
    """`accounts` are the members with accounts by their addresses; `buyers` the buyers of invoices by their numbers."""

    accounts: ClassVar[dict[str, Learner]] = {}
    buyers: ClassVar[dict[str, Learner]] = {}
    lookups: ClassVar[int] = 0

    def snapshot(self, order_ref: str) -> Snapshot | None:
        shot = super().snapshot(order_ref)
        return None if shot is None else replace(shot, buyer=self.buyers.get(order_ref))

    def learner_by_email(self, email: str) -> Learner | None:
        type(self).lookups += 1
        return self.accounts.get(email.casefold())

    def learner_for(self, user: Any) -> Learner | None:
        if not getattr(user, "is_authenticated", False):
            return None
        return self.accounts.get(user.get_username())
