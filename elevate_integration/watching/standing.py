"""How things stand, in numbers for a monitor, read from the database at most every few seconds.

Each process may be asked, so the reading is bounded: what could grow with the shop is counted along an index, up to
`COUNTED_AT_MOST`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, InterfaceError, connections

from elevate_integration import overview, staff
from elevate_integration.clock import database_now
from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import Status
from elevate_integration.models import OrderMark, Registration, TrackedOrder, database
from elevate_integration.overview import COUNTED_AT_MOST

logger = get_logger(__name__)

# Seconds for which a reading is good; a monitor asks every 15 or 30, often several at once.
FRESH = 10.0


@dataclass(frozen=True)
class Standing:
    """One reading. Ages in seconds, zero while nothing waits; times in seconds since 1970, zero for never.

    Numbers of rows are counted up to `COUNTED_AT_MOST`. condition: see `overview.condition`.
    """

    by_status: dict[str, int]
    need_person: dict[str, int]
    due_calls: int
    oldest_call: float
    due_marks: int
    oldest_mark: float
    unread_orders: int
    condition: str
    alarm: bool
    heartbeat: float


@contextmanager
def connection_given_back() -> Iterator[None]:
    """Close the database's connection afterwards, unless it was open before: a thread of a monitor would keep it."""
    connection = connections[database()]
    was_open = connection.connection is not None
    try:
        yield
    finally:
        if not was_open:
            connection.close()


def read() -> Standing:
    """Ask the database: some ten short queries. Raises what the database raises."""
    using = database()
    state, now = staff.delivery_state(), database_now(using)
    calls = Registration.objects.using(using).due()
    marks = OrderMark.objects.using(using).due()
    oldest_mark = marks.order_by("due_at").values_list("due_at", flat=True).first()
    counted = overview.by_status()
    by_status = {str(status): counted.get(str(status), 0) for status in Status}
    need_person = {
        str(status): overview.troubled_rows(status)[:COUNTED_AT_MOST].count() if by_status[status] else 0
        for status in overview.TROUBLED
    }
    unread = TrackedOrder.objects.using(using).filter(failed_at__isnull=False)
    return Standing(
        by_status=by_status,
        need_person=need_person,
        due_calls=calls[:COUNTED_AT_MOST].count(),
        oldest_call=_age(Registration.objects.using(using).oldest_due(), now),
        due_marks=marks[:COUNTED_AT_MOST].count(),
        oldest_mark=_age(oldest_mark, now),
        unread_orders=unread[:COUNTED_AT_MOST].count(),
        condition=overview.condition(state, now, conf().dispatcher),
        alarm=bool(state.alarm),
        heartbeat=0.0 if state.heartbeat_at is None else time.time() - _age(state.heartbeat_at, now),
    )


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max((now - moment).total_seconds(), 0.0)


class Reader:
    """Reads again when the last reading is older than `FRESH`. Safe from any thread; one reads for all who ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Standing | None = None
        self._read_at = float("-inf")

    def standing(self) -> Standing | None:
        """Give a fresh reading; None, and a log entry, while the database cannot be asked."""
        with self._lock:
            if time.monotonic() - self._read_at > FRESH:
                self._last = self._read()
                self._read_at = time.monotonic()
            return self._last

    def forget(self) -> None:
        """Read anew when asked next."""
        self._read_at = float("-inf")

    @staticmethod
    def _read() -> Standing | None:
        try:
            with connection_given_back():
                return read()
        except (DatabaseError, InterfaceError):
            logger.warning(
                "The database could not be asked how delivery stands.",
                exc_info=True,
                extra=event("elevate.standing.unreadable"),
            )
            return None


reader = Reader()
