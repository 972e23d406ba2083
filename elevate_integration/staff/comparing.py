"""What staff do about Elevate's report: have a day compared, decide about differences, begin the proof of the IDs anew.

Nothing is sent to Elevate by a decision: what is to be put right is put right on the registration's page or in Elevate. Not
among what `staff` itself offers, since comparing settles by its acts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from elevate_integration.clock import database_now
from elevate_integration.events import event, get_logger
from elevate_integration.locking import write_first
from elevate_integration.models import database
from elevate_integration.reconcile import button, proof
from elevate_integration.reconciled import Discrepancy
from elevate_integration.retrying import retried
from elevate_integration.staff.rows import Acted

if TYPE_CHECKING:
    from elevate_integration.words import Text

logger = get_logger(__name__)

NOTE_LIMIT = 1000
_DECIDED = ("decision", "note", "decided_by", "decided_at")


def start_comparing(day: date, *, actor: str) -> bool:
    """Have one day compared in the background, after the commit; False when somebody is comparing now."""
    if button.is_comparing():
        return False
    started: list[bool] = []
    # Inside a transaction (ATOMIC_REQUESTS) the thread would not see that this process compares now.
    transaction.on_commit(lambda: started.append(button.start_day(day)), using=database())
    logger.info(
        "A person asked to compare Elevate's report of %s.",
        day,
        extra=event("elevate.report.asked", day=str(day)),
    )
    return all(started)


@retried
def decide(pks: Iterable[Any], decision: str, *, note: str = "", actor: str) -> Acted:
    """Write down a decision, one of `Discrepancy.Decision`, about differences that are still true.

    note: at most 1,000 characters; an empty one leaves what is there. Raises ValueError for an unknown decision.
    """
    chosen = Discrepancy.Decision(decision)
    using = database()
    wanted = list(dict.fromkeys(int(pk) for pk in pks))
    acted = Acted()
    with transaction.atomic(using=using):
        write_first(using)
        rows = Discrepancy.objects.using(using).filter(pk__in=wanted).order_by("pk").select_for_update()
        found = {row.pk: row for row in rows}
        now = database_now(using)
        for pk in wanted:
            reason = _decide(found.get(pk), chosen, note.strip()[:NOTE_LIMIT], actor=actor, now=now)
            if reason:
                acted.left.append((pk, reason))
            else:
                acted.done.append(pk)
    return acted


def _decide(
    row: Discrepancy | None, decision: Discrepancy.Decision, note: str, *, actor: str, now: datetime
) -> Text:
    """Change one locked row; gives why it was left, `""` when it was not."""
    if row is None:
        return _("there is no such difference")
    if row.closed_at is not None:
        return _("it is no longer true")
    if row.decision == decision and note in ("", row.note):
        return _("it was decided so already")
    row.decision, row.note = decision, note or row.note
    is_open = decision == Discrepancy.Decision.OPEN
    row.decided_by, row.decided_at = ("", None) if is_open else (actor[:150], now)
    row.save(using=database(), update_fields=_DECIDED)
    return ""


def begin_proof_anew(*, actor: str) -> None:
    """Let the doubts about the report's IDs count no more, and begin their proof anew."""
    proof.begin_anew()
    logger.info(
        "A person began the proof of the report's IDs anew.", extra=event("elevate.report.proof_anew")
    )
