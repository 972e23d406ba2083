"""The time line of one order: every call for any of its order lines, what people did by hand, and when it was read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _

from elevate_integration.admin.show import known_as, moment, said
from elevate_integration.models import Attempt, OrderMark, Registration, TrackedOrder, database
from elevate_integration.overview import product_of
from elevate_integration.words import OPERATIONS, OUTCOMES, TRIGGERS

if TYPE_CHECKING:
    from elevate_integration.words import Text

SHOWN = 50
_ROWS = 200
_TONES = {"done": "good", "refused": "bad", "not_sent": "busy", "unknown": "warn"}


@dataclass(frozen=True)
class Step:
    """One thing that happened, in words. seconds, status_code and what follows belong to calls."""

    what: Text
    tone: str
    at: datetime | None
    asked_by: str = ""
    about: str = ""
    seconds: float | None = None
    status_code: int | None = None
    said: list[str] = field(default_factory=list)
    note: str = ""
    answered_id: str = ""
    sent: list[tuple[str, Any]] = field(default_factory=list)
    body: str = ""

    @property
    def when(self) -> str:
        """The date and time in the reader's zone."""
        return moment(self.at)


@dataclass(frozen=True)
class Story:
    """An order's steps, the newest first. calls: how many calls are shown; calls_in_all: how many there were."""

    steps: list[Step]
    calls: int
    calls_in_all: int
    rows: list[Registration]


def story(order_ref: str) -> Story:
    """Tell what happened to an order: the last calls and acts, for all its order lines."""
    using = database()
    rows = list(Registration.objects.using(using).of_order(order_ref).select_related("mapping")[:_ROWS])
    several = len(rows) > 1
    names = {row.pk: _about(row) if several else "" for row in rows}
    calls = Attempt.objects.using(using).filter(registration__in=[row.pk for row in rows])
    attempts = list(calls.order_by("-pk")[:SHOWN])
    tracked = TrackedOrder.objects.using(using).filter(order_ref=order_ref).first()
    steps = [_call(attempt, names[attempt.registration_id]) for attempt in attempts]
    steps += _made(rows, names)
    steps += _by_hand(Registration, names)
    if tracked is not None:
        steps += _by_hand(TrackedOrder, {tracked.pk: _("the whole order")})
        steps += _readings(tracked)
    steps.sort(key=lambda step: step.at.timestamp() if step.at else 0.0, reverse=True)
    mark = OrderMark.objects.using(using).filter(order_ref=order_ref).order_by("due_at").first()
    if mark is not None:
        steps.insert(0, Step(_("The order is read again soon"), "busy", mark.due_at))
    shown = len(attempts)
    return Story(steps, shown, calls.count() if shown == SHOWN else shown, rows)


def _about(row: Registration) -> str:
    return f"{product_of(row)}, {known_as(row)}"


def _call(attempt: Attempt, about: str) -> Step:
    asked_by = str(TRIGGERS.get(attempt.trigger, attempt.trigger))
    operation = OPERATIONS.get(attempt.operation, attempt.operation)
    return Step(
        what=f"{operation}: {OUTCOMES.get(attempt.outcome, attempt.outcome)}",
        tone=_TONES.get(attempt.outcome, "quiet"),
        at=attempt.started_at or attempt.finished_at,
        asked_by=f"{asked_by} ({attempt.actor})" if attempt.actor else asked_by,
        about=about,
        seconds=attempt.duration,
        status_code=attempt.status_code,
        said=said(attempt.messages),
        note=attempt.note,
        answered_id=attempt.answered_id,
        sent=sorted(attempt.sent.items()) if isinstance(attempt.sent, dict) else [],
        body=attempt.body,
    )


def _made(rows: Iterable[Registration], names: dict[int, str]) -> list[Step]:
    return [Step(_("Registration noted"), "quiet", row.created_at, about=names[row.pk]) for row in rows]


def _by_hand(model: type, names: dict[int, str]) -> list[Step]:
    """Give what people did with these objects. The texts were written in the language of whoever did it."""
    kind = ContentType.objects.get_for_model(model)
    entries = LogEntry.objects.filter(content_type=kind, object_id__in=[str(pk) for pk in names])
    return [
        Step(
            entry.get_change_message(),
            "quiet",
            entry.action_time,
            asked_by=entry.user.get_username(),
            about=names[int(entry.object_id or 0)],
        )
        for entry in entries.select_related("user").order_by("-pk")[:SHOWN]
    ]


def _readings(tracked: TrackedOrder) -> list[Step]:
    steps = []
    if tracked.first_synced_at is not None:
        steps.append(Step(_("The order was read for the first time"), "quiet", tracked.first_synced_at))
    if tracked.last_error:
        text = _("The order cannot be read")
        steps.append(Step(text, "bad", tracked.failed_at or tracked.first_synced_at, note=tracked.last_error))
    return steps
