"""What is forgotten about a registration and what hangs on it. Runs inside the caller's transaction, with rows locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Value
from django.db.models.functions import Coalesce

from elevate_integration.bulk import Changes
from elevate_integration.models import Attempt, Registration, SeatAssignment
from elevate_integration.querysets import FINISHED
from elevate_integration.reconciled import Discrepancy
from elevate_integration.stand_in import stand_in

_EMAIL = "email:"
_DUPLICATE = "duplicate:"
_EMPTY: dict[str, Any] = {
    "firstname": "", "lastname": "", "email": "", "error_messages": [], "cancel_details": None, "problems": "",
}  # fmt: skip
_NO_ID = {"remote_user_id": "", "other_user_id": ""}

CALL_OPEN = "a call to Elevate is open"
DUPLICATE = "a second registration at Elevate waits for a decision"
LINKED = "the same learner has another one of the product that is not finished"


@dataclass
class Tally:
    """What was forgotten, or would be.

    calls: records of calls that were deleted. registrations: forgotten. seats: names that were typed for seats.
    differences: differences with Elevate's report without address and user ID now.
    left: what was passed over, by reason: a status, or a sentence. done: keys of the registrations of one member.
    """

    calls: int = 0
    registrations: int = 0
    seats: int = 0
    differences: int = 0
    left: Counter[str] = field(default_factory=Counter)
    done: list[int] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        """Whether there was anything to forget."""
        return bool(self.calls or self.registrations or self.seats or self.differences)

    @property
    def passed_over(self) -> int:
        """How many were passed over."""
        return self.left.total()


def why_not(row: Registration) -> str:
    """Say why a registration cannot be forgotten yet; `""` when it can."""
    if row.claim_token is not None:
        return CALL_OPEN
    if row.duplicate_ids:
        return DUPLICATE
    return "" if row.status in FINISHED and row.due_at is None else str(row.status)


def forget(rows: Sequence[Registration], now: datetime, using: str, *, erase: bool) -> None:
    """Empty what is personal in these locked rows, and in the records of their calls.

    erase: the user ID goes too, with a stand-in for the learner; else it stays, so that members still find their
    courses and orders of one learner still cover each other.
    """
    changes = Changes(rows, ("email_key", "learner_key"))
    for row in rows:
        row.email_key = "" if erase else stand_in(row.email_key)
    _replace_keys([row for row in rows if _key_is_personal(row, erase=erase)], using)
    # Only the keys differ from row to row: a statement for all that is emptied is far cheaper than one for each row.
    changes.write(using)
    pks = [row.pk for row in rows]
    emptied = {**_EMPTY, **(_NO_ID if erase else {})}
    Registration.objects.using(using).filter(pk__in=pks).update(
        **emptied, forgotten_at=Coalesce("forgotten_at", Value(now))
    )
    calls = Attempt.objects.using(using).filter(registration__in=pks)
    calls.update(sent={}, messages=[], body="", note="")


def _key_is_personal(row: Registration, *, erase: bool) -> bool:
    if row.erased or row.learner_key.startswith(_DUPLICATE):
        return False
    return erase or row.learner_key.startswith(_EMAIL)


def _replace_keys(rows: Collection[Registration], using: str) -> None:
    new = {row.pk: stand_in(row.learner_key) for row in rows}
    held = Registration.objects.using(using).filter(learner_key__in=set(new.values()) - {""})
    places = held.values_list("order_ref", "seat_key", "remote_product_id", "learner_key")
    taken = set(places) if new else set()
    for row in rows:
        key = new[row.pk]
        if (row.order_ref, row.seat_key, row.remote_product_id, key) in taken:
            # The same learner had the seat before and was erased then: one of the two is enough to know him by.
            key = f"{key}:{row.pk}"
        row.learner_key = key


def seats_of(rows: Collection[Registration]) -> set[tuple[str, str]]:
    """Give the orders and seats of these rows."""
    return {(row.order_ref, row.seat_key) for row in rows}


def unname(assignments: Collection[SeatAssignment], using: str, *, finished_is_enough: bool) -> int:
    """Delete what was typed for seats where nothing needs it any more; gives how many.

    finished_is_enough: also where a registration of the seat is remembered, so long as it is finished.
    """
    rows = Registration.objects.using(using).filter(order_ref__in={one.order_ref for one in assignments})
    needed = {
        (row.order_ref, row.seat_key)
        for row in rows.defer("error_messages", "cancel_details")
        if (why_not(row) if finished_is_enough else row.forgotten_at is None)
    }
    gone = [one.pk for one in assignments if (one.order_ref, one.seat_key) not in needed]
    SeatAssignment.objects.using(using).filter(pk__in=gone).delete()
    return len(gone)


def empty_differences(pks: Collection[int], using: str) -> int:
    """Take address, user ID and note from differences with Elevate's report; gives how many."""
    rows = Discrepancy.objects.using(using).filter(pk__in=pks)
    return rows.update(email="", remote_user_id="", note="")
