"""The calls of one registration, as steps of a time line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elevate_integration.admin.show import moment, said
from elevate_integration.models import Attempt, Registration
from elevate_integration.words import OPERATIONS, OUTCOMES, TRIGGERS

if TYPE_CHECKING:
    from elevate_integration.words import Text

_SHOWN = 50
_TONES = {"done": "good", "refused": "bad", "not_sent": "busy", "unknown": "warn"}


@dataclass(frozen=True)
class Step:
    """One call in words."""

    operation: Text
    outcome: Text
    tone: str
    when: str
    seconds: float | None
    asked_by: str
    status_code: int | None
    said: list[str]
    note: str
    answered_id: str
    sent: list[tuple[str, Any]]
    body: str


def steps(row: Registration) -> list[Step]:
    """Give the last calls of a registration, the newest first."""
    return [_step(attempt) for attempt in row.attempts.order_by("-pk")[:_SHOWN]]


def _step(attempt: Attempt) -> Step:
    asked_by = str(TRIGGERS.get(attempt.trigger, attempt.trigger))
    return Step(
        operation=OPERATIONS.get(attempt.operation, attempt.operation),
        outcome=OUTCOMES.get(attempt.outcome, attempt.outcome),
        tone=_TONES.get(attempt.outcome, "quiet"),
        when=moment(attempt.started_at or attempt.finished_at),
        seconds=attempt.duration,
        asked_by=f"{asked_by} ({attempt.actor})" if attempt.actor else asked_by,
        status_code=attempt.status_code,
        said=said(attempt.messages),
        note=attempt.note,
        answered_id=attempt.answered_id,
        sent=sorted(attempt.sent.items()) if isinstance(attempt.sent, dict) else [],
        body=attempt.body,
    )
