"""What an answer makes of its row, in memory: the new state, the IDs, the attempt. Asks and saves nothing.

The rows come annotated with `db_now`, the database's clock.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from elevate_integration.conf import conf
from elevate_integration.delivery.backoff import wait
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import AtElevate, Operation, Outcome, settle
from elevate_integration.models import Attempt, Registration

logger = get_logger(__name__)


@dataclass(frozen=True)
class Claimed:
    """One registration that this worker may call Elevate for, until the lease ends."""

    row: Registration
    operation: Operation
    token: uuid.UUID


@dataclass(frozen=True)
class Result:
    """How one call ended: what settle needs to know. Times in seconds."""

    claimed: Claimed
    outcome: Outcome
    sent: dict[str, Any] = field(default_factory=dict, repr=False)
    status_code: int | None = None
    body: str = field(default="", repr=False)
    messages: tuple[tuple[str, str], ...] = ()
    registration_id: str = ""
    id_is_number: bool = True
    product_url: str = ""
    note: str = ""
    started_at: datetime | None = None
    duration: float | None = None
    retry_after: float | None = None
    key_refused: bool = False
    called: bool = True


def about(row: Registration) -> dict[str, Any]:
    """Give the keys by which log and measurements name a registration: nothing personal."""
    return {"registration": row.pk, "order_ref": row.order_ref}


def apply_if_ours(row: Registration, result: Result) -> None:
    """Write an answer to its row, as far as the row still waits for it. A late one mends a doubt at most."""
    now = row.db_now
    if row.claim_token == result.claimed.token or (row.claim_token is None and _mends(row, result)):
        apply(row, result, now)
    elif result.claimed.operation is Operation.REGISTER and _mends(row, result):
        _note_id(row, result)
        logger.warning(
            "A late answer for %s came during the repeat; its ID counts if that brings none.",
            row,
            extra=event("elevate.answer.late", **about(row)),
        )
    else:
        logger.warning(
            "A late answer for %s was kept as an attempt only.",
            row,
            extra=event("elevate.answer.late", **about(row)),
        )
        if result.claimed.operation is Operation.REGISTER and result.outcome is Outcome.DONE:
            row.note_duplicate(result.registration_id)


def _mends(row: Registration, result: Result) -> bool:
    """Whether a late answer ends exactly the doubt that its own call left."""
    if result.outcome is not Outcome.DONE:
        return False
    if result.claimed.operation is Operation.REGISTER:
        return row.at_elevate == AtElevate.MAYBE
    return row.at_elevate == AtElevate.LEAVING and row.registration_id == result.claimed.row.registration_id


def apply(row: Registration, result: Result, now: datetime) -> None:
    """Write one outcome to its row in memory: the fact, the next due time, and what Elevate said."""
    operation, outcome = result.claimed.operation, result.outcome
    # A refused key says nothing about this registration: it waits as if nothing had been sent.
    counted = Outcome.NOT_SENT if result.key_refused else outcome
    # Every claim to register empties the ID: one that stands there came late, while this call was open.
    came_late = operation is Operation.REGISTER and row.at_elevate == AtElevate.MAYBE and row.registration_id
    if came_late:
        counted = Outcome.DONE
    row.claim_token, row.claimed_for = None, ""
    state = settle(row.state, operation, counted, repeat_once=conf().repeat_once)
    row.put(state)
    row.updated_at = now
    row.error_messages = [] if came_late else [list(pair) for pair in result.messages]
    if counted is Outcome.DONE:
        _record_done(row, result, now)
    row.status = row.state.status
    temporary = counted in (Outcome.NOT_SENT, Outcome.UNKNOWN)
    row.failures = row.failures + 1 if temporary and not result.key_refused else 0
    row.due_at = None
    if row.state.next_operation is not None:
        row.due_at = now + timedelta(seconds=_seconds(row, result) if temporary else 0.0)


def _seconds(row: Registration, result: Result) -> float:
    if result.key_refused:
        return 0.0
    settings = conf()
    return wait(
        row.failures,
        first=settings.retry_first,
        ceiling=settings.retry_ceiling,
        retry_after=result.retry_after,
    )


def _record_done(row: Registration, result: Result, now: datetime) -> None:
    if result.claimed.operation is Operation.REGISTER:
        if result.outcome is Outcome.DONE:
            _note_id(row, result)
        row.registered_at = now
        row.cancelled_at = None
        return
    row.cancelled_at = now
    row.braked_at = row.braked_at or now
    row.brake_released = False


def _note_id(row: Registration, result: Result) -> None:
    """Take over the answered ID. Another one that came late during this call stays at Elevate: a duplicate."""
    earlier = row.registration_id
    row.registration_id, row.id_is_number = result.registration_id, result.id_is_number
    row.product_url = result.product_url
    row.site = result.claimed.row.site
    row.note_duplicate(earlier)
    row.forget_duplicate(row.registration_id)


def attempt_of(row: Registration, result: Result) -> Attempt:
    """Give the attempt that tells of a call; not saved."""
    return Attempt(
        registration=row,
        claim_token=result.claimed.token,
        operation=result.claimed.operation,
        trigger=result.claimed.row.trigger,
        actor=result.claimed.row.actor,
        started_at=result.started_at,
        finished_at=row.db_now,
        duration=result.duration,
        sent=result.sent,
        status_code=result.status_code,
        outcome=result.outcome,
        messages=[list(pair) for pair in result.messages],
        answered_id=result.registration_id,
        body=result.body,
        note=result.note,
    )
