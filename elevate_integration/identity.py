"""`identity_changed(old, new)`: a member was renumbered, or two records were merged. Keys follow; no call is made."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import Registration, database
from elevate_integration.retrying import retried
from elevate_integration.stand_in import stand_in, stand_ins

logger = get_logger(__name__)


@dataclass(frozen=True)
class IdentityChange:
    """What a change of ID did.

    moved: registrations that now belong to the new ID. sent: those of them that Elevate knows under the old ID, so
    that a person has to merge the two users there. left: registrations that exist under the new ID already.
    """

    moved: tuple[int, ...]
    sent: tuple[int, ...]
    left: tuple[int, ...]


@retried
def identity_changed(old: str, new: str) -> IdentityChange:
    """Say that the member with the ID `old` is now called `new`, for example after a merge of two records.

    Call it in the transaction that renumbers the member, which is then yours to run again should the database give it
    up; outside of one it is run again by itself. Raises ValueError when either ID is empty.
    """
    if not old or not new:
        raise ValueError("Both user IDs are needed.")
    using = database()
    moved, sent, left = [], [], []
    with transaction.atomic(using=using):
        olds, news = (old, *stand_ins(old)), (new, *stand_ins(new))
        rows = (
            Registration.objects.using(using).filter(learner_key__in=olds).order_by("pk").select_for_update()
        )
        taken = set(
            Registration.objects.using(using)
            .filter(learner_key__in=news)
            .values_list("order_ref", "seat_key", "remote_product_id")
        )
        for row in rows:
            if (row.order_ref, row.seat_key, row.remote_product_id) in taken:
                left.append(row.pk)
                continue
            moved.append(row.pk)
            if row.erased:
                row.learner_key = stand_in(new)
            elif _rename(row, old, new):
                sent.append(row.pk)
            row.save(
                using=using, update_fields=["learner_key", "remote_user_id", "other_user_id", "updated_at"]
            )
    logger.info(
        "A user ID changed: %s registrations moved, %s known at Elevate.",
        len(moved),
        len(sent),
        extra=event("elevate.identity.changed", number=len(moved), known=len(sent)),
    )
    return IdentityChange(tuple(moved), tuple(sent), tuple(left))


def _rename(row: Registration, old: str, new: str) -> bool:
    """Move one row to the new ID in memory. Tells whether Elevate knows it under the old one."""
    row.learner_key = new
    known = row.at_elevate != AtElevate.ABSENT or row.claim_token is not None
    if known:
        row.other_user_id = new
    elif row.remote_user_id == old:
        row.remote_user_id = new
    return known
