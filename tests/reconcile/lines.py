"""Lines of a report and registrations of ours, as the pure comparison reads them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from elevate_integration.comparing import Compared, compare
from elevate_integration.elevate.reports import ReportLine
from elevate_integration.lifecycle import AtElevate
from elevate_integration.pairing import Ours, Proved, Stretch

DAY = date(2026, 3, 10)
NOON = datetime.fromisoformat("2026-03-10 12:00:00")
LATER = datetime.fromisoformat("2026-03-13 00:00:00")
HOUR = timedelta(hours=1)
IDS = Proved(ids=True)
BOTH = Proved(ids=True, members=True)

_numbers = count(1)


def line(**fields: Any) -> ReportLine:
    """Ada's registration for ABCD1234 at noon."""
    start = {
        "report_id": "100",
        "transaction_at": NOON,
        "remote_product_id": "ABCD1234",
        "product_title": "Ethics",
        "remote_user_id": "M-1",
        "email": "ada@example.org",
        "price": Decimal("120.00"),
    }
    return ReportLine(**{**start, **fields})


def call(at: datetime = NOON, *, seconds: float = 1) -> Stretch:
    """A call that took a second."""
    return Stretch(at, at + timedelta(seconds=seconds))


def ours(**fields: Any) -> Ours:
    """Ada's registration for ABCD1234, which Elevate answered with ID 100 at noon."""
    start = {
        "pk": next(_numbers),
        "remote_product_id": "ABCD1234",
        "user_id": "M-1",
        "emails": frozenset({"ada@example.org"}),
        "registration_id": "100",
        "is_answered": True,
        "called": call(),
        "amount": Decimal("120.00"),
    }
    return Ours(**{**start, **fields})


def doubtful(**fields: Any) -> Ours:
    """Ada's registration for ABCD1234, whose answer was lost at noon."""
    start = {
        "at_elevate": AtElevate.MAYBE,
        "was_there": False,
        "registration_id": "",
        "is_answered": False,
        "called": None,
        "lost": (call(),),
        "amount": None,
    }
    return ours(**{**start, **fields})


def compared(*lines: ReportLine, rows: Any = (), **options: Any) -> Compared:
    """Compare the day, its lines sorted into days by their time; options as for `compare`."""
    shown = options.pop("days", {DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)})
    days: dict[date, list[ReportLine]] = {day: [] for day in shown}
    for one in lines:
        days[one.transaction_at.date() if one.transaction_at else DAY].append(one)
    start = {"read_at": LATER, "products": {"ABCD1234"}}
    return compare(DAY, days, rows, **{**start, **options})


def kinds(done: Compared) -> list[str]:
    """Give the kinds of the differences."""
    return [one.kind for one in done.differences]
