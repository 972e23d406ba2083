"""A visitor who comes from Elevate's *Register* button: what he wants, whether he has it, and where he goes on.

The address he goes on to comes from the order source or from Elevate's own answer, never from the visitor.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.http import HttpRequest

from elevate_integration.conf import order_source
from elevate_integration.members.courses import registration_of
from elevate_integration.models import ProductMapping, database
from elevate_integration.orders.source import OrderSource

_KEY = "elevate_arrivals"
_SECONDS = 24 * 60 * 60
_MOST = 5
_CANDIDATES = 5


class Way(StrEnum):
    """What becomes of the visitor."""

    OFFERED = "offered"
    # He has it, or has bought it.
    HIS = "his"
    UNKNOWN = "unknown"
    INACTIVE = "inactive"
    SOLD_OUT = "sold_out"


@dataclass(frozen=True)
class Arrival:
    """A visitor's wish. url: the product's page in the store when offered; the course when it is his."""

    way: Way
    title: str = ""
    product_key: str = ""
    url: str = ""


def arrival(user: Any, remote_product_id: str) -> Arrival:
    """Find out about a visitor. Reads only, so that robots and prefetching browsers change nothing."""
    if "\x00" in remote_product_id:
        # PostgreSQL does not take the character, even to look for it.
        return Arrival(Way.UNKNOWN)
    mapped = ProductMapping.objects.using(database()).filter(remote_product_id=remote_product_id)
    known = list(mapped.exclude(remote_product_id="").filter(not_for_elevate=False).order_by("pk"))
    if not known:
        return Arrival(Way.UNKNOWN)
    course = registration_of(user, remote_product_id)
    if course is not None:
        return Arrival(Way.HIS, course.title, url=course.url)
    return _offer([mapping for mapping in known if mapping.sells]) or Arrival(
        Way.INACTIVE, known[0].product_title
    )


def put_in_cart(request: HttpRequest, found: Arrival) -> str:
    """Let the store put the product in the visitor's cart, and give where he goes on; `""`: it is not sold.

    Raises SoldOutError as the order source does.
    """
    url: str = order_source().add_to_cart(request, found.product_key)
    return url or found.url


def remember(request: HttpRequest, remote_product_id: str) -> None:
    """Keep in the session that the visitor came for this product."""
    session = getattr(request, "session", None)
    if session is not None:
        others = [pair for pair in _kept(session) if pair[0] != remote_product_id]
        session[_KEY] = [*others, [remote_product_id, int(time.time())]][-_MOST:]


def remembered(request: HttpRequest) -> list[str]:
    """Give the Remote Product IDs for which the visitor came within a day, the latest first."""
    session = getattr(request, "session", None)
    return [] if session is None else [name for name, _ in reversed(_kept(session))]


def _kept(session: Any) -> list[list[Any]]:
    oldest = time.time() - _SECONDS
    return [pair for pair in session.get(_KEY, []) if pair[1] > oldest]


def _offer(mappings: list[ProductMapping]) -> Arrival | None:
    """Choose the product that sells this course: one that is on sale, and rather the course itself than a bundle."""
    source = order_source()
    keys = {mapping.product_key for mapping in mappings}
    parts = Counter(
        ProductMapping.objects.using(database())
        .filter(product_key__in=keys, active=True)
        .values_list("product_key", flat=True)
    )
    # A source that knows no pages says nothing about what is on sale.
    says = type(source).product_url is not OrderSource.product_url
    for mapping in sorted(mappings, key=lambda one: (parts[one.product_key], one.pk))[:_CANDIDATES]:
        url = source.product_url(mapping.product_key) if says else ""
        if url or not says:
            return Arrival(Way.OFFERED, mapping.product_title, mapping.product_key, url)
    return None


def fills_carts() -> bool:
    """Whether the store can put a product in the cart by itself, rather than show its page."""
    return type(order_source()).add_to_cart is not OrderSource.add_to_cart
