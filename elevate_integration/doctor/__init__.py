"""What `elevate_doctor` looks at: whether everything is in place, and what would be sent for one person or order.

Reads only. Nothing here registers or cancels; the key leaves this machine in `report.ask_with_key` alone, which asks Elevate's
report for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from elevate_integration.doctor.database import look_at_database, look_at_tables
from elevate_integration.doctor.delivery import look_at_delivery
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding, some, worst
from elevate_integration.doctor.key import look_at_key
from elevate_integration.doctor.person import WouldSend, find_user, would_send
from elevate_integration.doctor.products import look_at_products
from elevate_integration.doctor.settings import look_at_settings
from elevate_integration.doctor.site import look_at_site, reach
from elevate_integration.doctor.store import look_at_members, look_at_store, order_now

__all__ = [
    "ERROR",
    "OK",
    "WARNING",
    "Finding",
    "WouldSend",
    "examine",
    "find_user",
    "order_now",
    "reach",
    "some",
    "worst",
    "would_send",
]


def examine(*, network: bool = False, key: bool = False) -> Iterator[Finding]:
    """Look at everything in turn. A look that fails is a finding itself.

    network: also follow the way to the Elevate site, without the key. key: also send one empty report query with it.
    """
    settings = list(look_at_settings())
    yield from settings
    usable = not any(one.code in ("elevate.E001", "elevate.W001") for one in settings)
    if usable and network:
        yield from look_at_site()
    if usable and key:
        # Reports are an extra of the contract: nothing else here needs them.
        from elevate_integration.doctor.report import ask_with_key

        yield ask_with_key()
    tables = list(look_at_tables())
    yield from tables
    if not usable or worst(tables) == ERROR:
        return
    yield from look_at_database()
    if not key:
        yield look_at_key()
    yield from look_at_store()
    yield from look_at_members()
    yield from look_at_products()
    yield from look_at_delivery()
