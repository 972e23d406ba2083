"""Registrations whose lost answer the report has: recorded as there, by the way that a person's *Mark as registered* goes.

Nothing is sent. One that is no longer wanted is cancelled afterwards by the usual way: its order is read a second time,
and the brake counts it.
"""

from __future__ import annotations

from datetime import date

from django.db import transaction

from elevate_integration.clock import database_now
from elevate_integration.comparing import Found
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import Operation, Outcome, Status
from elevate_integration.models import Attempt, Registration, database
from elevate_integration.reconcile.rows import RECONCILE
from elevate_integration.retrying import retried
from elevate_integration.staff import mark_registered

logger = get_logger(__name__)


@retried
def settle_found(found: Found, day: date, site: str) -> bool:
    """Fill in the ID of a registration that the report has; False when it is in doubt no more, or a call is open."""
    using = database()
    with transaction.atomic(using=using):
        product_url = _product_url(found.pk, site)
        acted = mark_registered(
            found.pk, found.registration_id, product_url, actor="", trigger="", only=(Status.UNCONFIRMED,)
        )
        if not acted.done:
            logger.info(
                "Registration %s was found in the report and left alone.",
                found.pk,
                extra=event("elevate.report.left_alone", registration=found.pk),
            )
            return False
        row = Registration.objects.using(using).select_for_update().get(pk=found.pk)
        for duplicate in found.duplicates:
            row.note_duplicate(duplicate)
        row.save(using=using, update_fields=["duplicate_ids"])
        _attempt(row, found, day).save(using=using)
    logger.info(
        "Registration %s was found in Elevate's report of %s.",
        found.pk,
        day,
        extra=event("elevate.report.settled", registration=found.pk, day=str(day)),
    )
    return True


def _attempt(row: Registration, found: Found, day: date) -> Attempt:
    """The entry of the time line that says where the fact came from. No call was made for it."""
    return Attempt(
        registration=row,
        operation=Operation.REGISTER,
        trigger=RECONCILE,
        finished_at=database_now(database()),
        outcome=Outcome.DONE,
        answered_id=found.registration_id,
        note=(
            f"Nothing was sent: the lost answer was found in Elevate's report of {day}, under ID {found.registration_id} "
            f"and the time {found.line.transaction_at}. That the report's ID is the registration ID was proved before."
        ),
    )


def _product_url(pk: int, site: str) -> str:
    """Give the page of the row's product as Elevate answered it for others; `""` when it never did."""
    rows = Registration.objects.using(database())
    row = rows.filter(pk=pk).values("mapping_id", "remote_product_id").first()
    if row is None:
        return ""
    # The index of the mapping gives the latest first; the product is told too, since a mapping may have been edited.
    same = rows.filter(**row, site=site, registered_at__isnull=False).exclude(product_url="")
    return same.order_by("-registered_at").values_list("product_url", flat=True).first() or ""
