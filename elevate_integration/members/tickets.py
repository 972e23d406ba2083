"""Tickets: what a page of the store may ask again, signed, so that looking again needs no other permission.

A ticket names what was shown and to whom. It is void after a quarter of an hour, and in another's log-in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.core import signing

from elevate_integration.members.courses import Found, courses_of, courses_of_order, courses_of_products

MINE, ORDER, PRODUCTS = "mine", "order", "products"

_SALT = "elevate_integration.members.tickets"
_SECONDS = 15 * 60


@dataclass(frozen=True)
class Ticket:
    """What to look at. about: MINE, ORDER (names: its seats, or all), PRODUCTS (names: their Remote Product IDs)."""

    about: str
    order_ref: str = ""
    names: tuple[str, ...] = ()

    def sign(self, user: Any) -> str:
        """Write it down for this viewer; a visitor without a log-in gets one that any visitor may use."""
        return signing.dumps({**asdict(self), "viewer": _viewer(user)}, salt=_SALT)

    def look(self, user: Any) -> Found:
        """Give what there is to show now."""
        if self.about == ORDER:
            return courses_of_order(self.order_ref, self.names, user)
        if self.about == PRODUCTS:
            return courses_of_products(user, self.names, self.order_ref)
        return courses_of(user)


def read(text: str, user: Any) -> Ticket | None:
    """Read a ticket; None when it is not ours, too old, or was given to somebody else."""
    try:
        said = signing.loads(text, salt=_SALT, max_age=_SECONDS)
    except signing.BadSignature:
        return None
    if said["viewer"] and said["viewer"] != _viewer(user):
        return None
    return Ticket(said["about"], said["order_ref"], tuple(said["names"]))


def _viewer(user: Any) -> str:
    return str(user.pk) if getattr(user, "is_authenticated", False) else ""
