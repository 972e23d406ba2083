"""Second registrations at Elevate for one seat: found in the answers, cancelled as registrations of their own.

A repeat after a lost answer may bring another ID than the first call did. Such a duplicate gets a row of its own that
nobody wants, so that it is cancelled like everything else: claimed, braked, attempted, and asked about if refused.
The row of the seat stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from elevate_integration.clock import database_now
from elevate_integration.lifecycle import AtElevate
from elevate_integration.locking import write_first
from elevate_integration.models import Attempt, Registration, database
from elevate_integration.retrying import retried
from elevate_integration.staff.cancelling import cancel_details
from elevate_integration.wake import wake

_MARK = "duplicate:"
_SHOWN = 200


@dataclass(frozen=True)
class Duplicate:
    """Another ID that Elevate answered for a row. answered_at: None when the attempt was pruned."""

    row: Registration
    registration_id: str
    answered_at: datetime | None

    @property
    def name(self) -> str:
        """What a form gives back for it."""
        return f"{self.row.pk}:{self.registration_id}"


def duplicates(names: Iterable[str] | None = None) -> list[Duplicate]:
    """Give the duplicates about which nothing was done yet, those of the latest rows first, of at most 200 rows.

    names: only these; what is no name of a duplicate is passed over.
    """
    using = database()
    found = Registration.objects.using(using).filter(duplicate_ids__isnull=False)
    if names is not None:
        names = set(names)
        found = found.filter(pk__in=[pk for name in names if (pk := _pk(name)) is not None])
    rows = list(found.select_related("mapping").order_by("-pk")[:_SHOWN])
    answered = {one for row in rows for one in row.duplicates}
    # One that a row has as its own by now, by hand or because it is being cancelled, is no duplicate any more.
    known = Registration.objects.using(using).filter(registration_id__in=answered)
    owned = set(known.values_list("registration_id", flat=True)) if answered else set()
    times = _times(rows, answered)
    made = [Duplicate(row, one, times.get((row.pk, one))) for row in rows for one in row.duplicates]
    return [one for one in made if one.registration_id not in owned and (names is None or one.name in names)]


def _pk(name: str) -> int | None:
    text = name.partition(":")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _times(rows: list[Registration], answered: set[str]) -> dict[tuple[int, str], datetime]:
    calls = Attempt.objects.using(database()).filter(registration__in=rows, answered_id__in=answered)
    found = calls.order_by("-pk").values_list("registration_id", "answered_id", "finished_at")
    return {(pk, registration_id): at for pk, registration_id, at in found}


@retried
def cancel_duplicates(names: Iterable[str], *, actor: str, **texts: Any) -> list[Registration]:
    """Have these duplicates cancelled at Elevate, and give the rows made for it. It obeys the brake.

    names: as `Duplicate.name` gives them. What is no duplicate (any more) is passed over.
    texts: as for `cancel`: what Elevate is told, from the settings where empty.
    """
    using = database()
    asked = set(names)
    details = cancel_details(**texts) if texts else None
    with transaction.atomic(using=using):
        write_first(using)
        now = database_now(using)
        owners = sorted({pk for name in asked if (pk := _pk(name)) is not None})
        # Two people who press the button at once wait for each other here.
        list(Registration.objects.using(using).filter(pk__in=owners).order_by("pk").select_for_update())
        made = []
        for duplicate in duplicates(asked):
            row = _row(duplicate, actor, now)
            row.cancel_details = details
            row.save(using=using, force_insert=True)
            duplicate.row.forget_duplicate(duplicate.registration_id)
            duplicate.row.save(using=using, update_fields=["duplicate_ids"])
            made.append(row)
        if made:
            transaction.on_commit(wake, using=using, robust=True)
    return made


def _row(duplicate: Duplicate, actor: str, now: datetime) -> Registration:
    owner = duplicate.row
    row = Registration(
        order_ref=owner.order_ref,
        seat_key=f"{_MARK}{duplicate.registration_id}",
        mapping=owner.mapping,
        remote_product_id=owner.remote_product_id,
        # A learner of its own: the seat's registration neither covers the duplicate nor is covered by it.
        learner_key=f"{_MARK}{duplicate.registration_id}",
        remote_user_id=owner.remote_user_id,
        firstname=owner.firstname,
        lastname=owner.lastname,
        email=owner.email,
        email_key=owner.email_key,
        amount_paid=owner.amount_paid,
        product_title=owner.product_title,
        wanted=False,
        seat_active=False,
        missing=True,
        at_elevate=AtElevate.PRESENT,
        confirmed=True,
        staff_cancelled=True,
        unwanted_at=now,
        due_at=now,
        trigger="staff",
        actor=actor[:150],
        registration_id=duplicate.registration_id,
        id_is_number=duplicate.registration_id.isascii() and duplicate.registration_id.isdigit(),
        product_url=owner.product_url,
        site=owner.site,
        registered_at=duplicate.answered_at or now,
    )
    row.status = row.state.status
    return row


def is_duplicate(row: Registration) -> bool:
    """Tell whether a row stands for a duplicate at Elevate, and not for a seat."""
    return row.seat_key.startswith(_MARK)
