"""Delivery: whether somebody delivers, what holds it up, and how much is due since when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from elevate_integration import overview
from elevate_integration.clock import database_now
from elevate_integration.conf import conf
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding, some
from elevate_integration.models import OrderMark, Registration, database
from elevate_integration.staff import delivery_state
from elevate_integration.words import GATES

_COUNTED = 10_000


def look_at_delivery() -> Iterator[Finding]:
    """Tell switch, gate, alarm, worker and queue."""
    using = database()
    state, now = delivery_state(), database_now(using)
    how = "Delivery keeps its state in the database; it was read."
    if state.paused:
        text = f"Delivery is paused by {state.paused_by}."
        yield Finding(WARNING, "delivery.paused", text, how, "Resume it in the admin.")
    if state.gate:
        text = f"Delivery waits: {GATES.get(state.gate, state.gate)}. {state.gate_message}"
        mend = "It goes on by itself once a probe gets through."
        yield Finding(ERROR, "delivery.waits", text, how, mend)
    if state.alarm:
        mend = "Look at the page Delivery in the admin, then clear the alarm."
        yield Finding(ERROR, "delivery.alarm", state.alarm, how, mend)
    calls = _up_to(Registration.objects.using(using).due())
    marks = _up_to(OrderMark.objects.using(using).due())
    yield _worker(state, now, is_waiting=bool(calls or marks))
    yield _due(now, calls, marks, Registration.objects.using(using).oldest_due())


def _up_to(rows: Any) -> int:
    return len(rows.order_by("due_at").values_list("pk", flat=True)[:_COUNTED])


def _worker(state: Any, now: datetime, *, is_waiting: bool) -> Finding:
    dispatcher = conf().dispatcher
    limit = overview.silent_after(dispatcher)
    how = (
        f"With `{dispatcher}` no sign of life is expected."
        if limit is None
        else f"With `{dispatcher}` a sign of life is expected at least every {limit:.0f} seconds."
    )
    beat = state.heartbeat_at
    age = None if beat is None else round((now - beat).total_seconds(), 1)
    data = {"dispatcher": dispatcher, "heartbeat_age_seconds": age}
    if not overview.is_silent(state, now, dispatcher):
        seen = "" if age is None else f", last sign of life {max(age, 0):.0f} seconds ago"
        return Finding(OK, "delivery.worker", f"Delivery by `{dispatcher}`{seen}.", how, data=data)
    text = (
        "Nothing has delivered yet."
        if beat is None
        else f"Nothing has delivered since {beat:%Y-%m-%d %H:%M}."
    )
    mend = "Run `manage.py elevate_worker`, or `elevate_worker --once` from cron."
    return Finding(ERROR if is_waiting else WARNING, "delivery.worker", text, how, mend, data)


def _due(now: datetime, calls: int, marks: int, oldest: datetime | None) -> Finding:
    age = None if oldest is None else round((now - oldest).total_seconds(), 1)
    text = f"{some(calls, 'call', 'calls')} and {some(marks, 'marked order', 'marked orders')} are due"
    text += "." if age is None else f"; the oldest call for {age:.0f} seconds."
    late = overview.due_too_long(oldest, now)
    return Finding(
        WARNING if late else OK,
        "delivery.due",
        text,
        f"Counted in the database, up to {_COUNTED}.",
        "See the overview in the admin for what holds them up." if late else "",
        {"calls": calls, "marks": marks, "oldest_seconds": age},
    )
