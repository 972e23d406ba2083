"""Settle: writes the outcomes of calls, in groups. Speaks no HTTP, and decides nothing about what should exist.

Whoever settles must show the token of its claim; an answer that comes too late is kept as an attempt and mends a doubt,
but never overwrites a newer state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from elevate_integration import marks
from elevate_integration.bulk import Changes, insert
from elevate_integration.cover import cover
from elevate_integration.delivery import gate
from elevate_integration.delivery.announcing import announce
from elevate_integration.delivery.outcomes import Result, about, apply_if_ours, attempt_of
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import LIVE
from elevate_integration.locking import write_first
from elevate_integration.models import Registration, database
from elevate_integration.prepared import Prepared
from elevate_integration.retrying import retried

logger = get_logger(__name__)

# A lone surrogate is refused by the driver (ValueError), a NUL by PostgreSQL (ValueError or DataError).
_UNWRITABLE = (DatabaseError, ValueError)
# The fields that an outcome may change.
SETTLED = (
    "wanted", "at_elevate", "obstacle", "status", "confirmed", "doubts", "failures", "due_at", "claim_token",
    "claimed_for", "error_messages", "registration_id", "id_is_number", "product_url", "site", "registered_at",
    "cancelled_at", "braked_at", "brake_released", "cancel_details", "updated_at", "duplicate_ids", "problems",
)  # fmt: skip

_ANSWERED = Prepared(lambda pks: Registration.objects.filter(pk__in=pks).order_by("pk").select_for_update())


def settle_all(results: list[Result]) -> None:
    """Write the outcomes of a group of calls, and empty the list. No result costs another its answer.

    Raises OperationalError or InterfaceError while the database is away; what is still in the list is not written.
    """
    try:
        _settle_group(results)
        results.clear()
    except (OperationalError, InterfaceError):
        raise
    except _UNWRITABLE:
        logger.exception(
            "A group of answers could not be written; each is written by itself.",
            extra=event("elevate.answers.apart", number=len(results)),
        )
        while results:
            _settle_alone(results[0])
            del results[0]


def _settle_alone(result: Result) -> None:
    try:
        _settle_group([result])
    except (OperationalError, InterfaceError):
        raise
    except _UNWRITABLE:
        logger.exception(
            "The answer for %s could not be written with its texts.",
            result.claimed.row,
            extra=event("elevate.answer.unwritable", **about(result.claimed.row)),
        )
        _settle_group([_bare(result)])


def _bare(result: Result) -> Result:
    """The same outcome without the texts that the database would not take."""
    return Result(
        result.claimed,
        result.outcome,
        status_code=result.status_code,
        registration_id=result.registration_id if result.registration_id.isalnum() else "",
        id_is_number=result.id_is_number,
        note="The answer's texts could not be stored.",
        started_at=result.started_at,
        duration=result.duration,
        key_refused=result.key_refused,
    )


@retried
def _settle_group(results: Sequence[Result]) -> None:
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        seen = gate.look(using)
        settled = _settle_unread(results, seen.now, using)
        done = {one.row.pk for one in settled}
        settled += _settle_read([r for r in results if r.claimed.row.pk not in done], seen.now, using)
        attempts = [attempt_of(one.row, one.result) for one in settled if one.result.called]
        if attempts:
            insert(attempts, using)
        rows = [one.row for one in settled]
        _cover(rows, using)
        marks.ask_for_details(rows, using)
        gate.judge(results, seen, using)
    for one in settled:
        announce(one.row, one.before)


class _Settled(NamedTuple):
    """A row as it is written now, the answer that made it so, and its status before."""

    row: Registration
    result: Result
    before: str


def _apply_all(pairs: Iterable[tuple[Registration, Result]], now: datetime) -> list[_Settled]:
    settled = []
    for row, result in pairs:
        row.db_now = now
        settled.append(_Settled(row, result, row.status))
        apply_if_ours(row, result)
    return settled


def _settle_unread(results: Sequence[Result], now: datetime, using: str) -> list[_Settled]:
    """Settle rows that nobody has written since the claim, by what the claim read. Gives those, and those alone.

    Almost every row is such a one, and reading it again costs as much as writing it.
    """
    answers = Counter(result.claimed.row.pk for result in results)
    # Of two answers for one row, one is late.
    plain = [r for r in results if r.claimed.row.version and answers[r.claimed.row.pk] == 1]
    twins = [result.claimed.row.twin() for result in plain]
    changes = Changes(twins, SETTLED)
    settled = _apply_all(zip(twins, plain, strict=True), now)
    written = changes.write_unless_changed(using)
    return [one for one in settled if one.row.pk in written]


def _settle_read(results: Sequence[Result], now: datetime, using: str) -> list[_Settled]:
    """Settle rows as they are now: an order was refunded or a person acted while the call was open."""
    if not results:
        return []
    held = {row.pk: row for row in _ANSWERED(using, pks=[result.claimed.row.pk for result in results])}
    changes = Changes(list(held.values()), SETTLED)
    known = [(held[r.claimed.row.pk], r) for r in results if r.claimed.row.pk in held]
    settled = _apply_all(known, now)
    changes.write(using)
    return settled


def _cover(rows: Iterable[Registration], using: str) -> None:
    """Decide about coverage what sync could not decide while the call was open: now it is known who has what."""
    found = [row for row in rows if not row.wanted and row.at_elevate in LIVE]
    if found:
        now = found[0].db_now
        cover({row.pair for row in found}, now)
