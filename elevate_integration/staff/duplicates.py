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
from django.db.models import Exists, F, OuterRef

from elevate_integration.clock import database_now
from elevate_integration.lifecycle import AtElevate, Operation, Outcome
from elevate_integration.models import Attempt, Registration, database
from elevate_integration.retrying import retried
from elevate_integration.staff.rows import write_first
from elevate_integration.wake import wake

_MARK = "duplicate:"
_SHOWN = 200


@dataclass(frozen=True)
class Duplicate:
    """A registration ID that Elevate answered for a row which has another one. pk: of the attempt that brought it."""

    pk: int
    registration_id: str
    row: Registration
    answered_at: datetime


def duplicates(pks: Iterable[Any] | None = None) -> list[Duplicate]:
    """Give the duplicates about which nothing was done yet, the latest first, at most 200. pks: only these attempts."""
    using = database()
    known = Registration.objects.using(using).filter(registration_id=OuterRef("answered_id"))
    found = (
        Attempt.objects.using(using)
        .filter(operation=Operation.REGISTER, registration__at_elevate=AtElevate.PRESENT)
        .exclude(answered_id="")
        .exclude(answered_id=F("registration__registration_id"))
        .exclude(outcome=Outcome.REFUSED)
        # One after which the row was cancelled was its own ID in an earlier life.
        .exclude(Exists(_cancelled_since()))
        .exclude(Exists(known))
    )
    if pks is not None:
        found = found.filter(pk__in=list(pks))
    attempts = found.select_related("registration__mapping").order_by("-pk")[:_SHOWN]
    by_id: dict[str, Duplicate] = {}
    for attempt in attempts:
        one = Duplicate(attempt.pk, attempt.answered_id, attempt.registration, attempt.finished_at)
        by_id.setdefault(attempt.answered_id, one)
    return list(by_id.values())


def _cancelled_since() -> Any:
    return Attempt.objects.filter(
        registration=OuterRef("registration"),
        operation=Operation.CANCEL,
        outcome=Outcome.DONE,
        pk__gt=OuterRef("pk"),
    )


@retried
def cancel_duplicates(pks: Iterable[Any], *, actor: str) -> list[Registration]:
    """Have these duplicates cancelled at Elevate, and give the rows made for it. It obeys the brake.

    pks: of the attempts that brought them. What is no duplicate (any more) is passed over.
    """
    using = database()
    asked = [int(pk) for pk in pks]
    with transaction.atomic(using=using):
        write_first(using)
        now = database_now(using)
        owners = Registration.objects.using(using).filter(attempts__in=asked).order_by("pk")
        # Two people who press the button at once wait for each other here.
        list(Registration.objects.using(using).filter(pk__in=owners.values("pk")).select_for_update())
        made = [_row(duplicate, actor, now) for duplicate in duplicates(asked)]
        for row in made:
            row.save(using=using, force_insert=True)
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
        registered_at=duplicate.answered_at,
    )
    row.status = row.state.status
    return row


def is_duplicate(row: Registration) -> bool:
    """Tell whether a row stands for a duplicate at Elevate, and not for a seat."""
    return row.seat_key.startswith(_MARK)
