"""What a comparison found, written down: the day, its differences, and what it shows about the IDs.

A day read again updates its differences, closes those that are no longer true, and keeps what staff decided. A day that
could not be read changes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.utils.crypto import salted_hmac

from elevate_integration.clock import database_now
from elevate_integration.comparing import Compared, Difference, Kind
from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import database
from elevate_integration.reconcile.lease import Lease
from elevate_integration.reconcile.proof import doubts
from elevate_integration.reconcile.rows import as_stored
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.retrying import retried

_ABOUT_MISSING: tuple[Kind, ...] = ("only_here", "not_found")
_ABOUT_DOUBTS: tuple[Kind, ...] = ("found", "not_found")


@retried
def record_unread(lease: Lease, day: date, message: str) -> None:
    """Note that a day could not be read, and why. Raises Lost."""
    using = database()
    with transaction.atomic(using=using):
        lease.lock()
        ReconciledDay.objects.using(using).update_or_create(
            site=lease.site,
            day=day,
            defaults={
                "state": ReconciledDay.State.UNREAD,
                "whole": False,
                "message": message,
                "read_at": database_now(using),
            },
        )


@retried
def record(
    lease: Lease, compared: Compared, *, settled: int, read_at: datetime, message: str = ""
) -> dict[str, int]:
    """Write a compared day, and give how many of its differences wait for staff, by kind. Raises Lost.

    read_at: when its report was asked for; UTC, without a zone. message: why it was compared without the days beside it.
    """
    using = database()
    with transaction.atomic(using=using):
        state = lease.lock()
        now = database_now(using)
        evidence = compared.evidence
        day, _ = ReconciledDay.objects.using(using).update_or_create(
            site=lease.site,
            day=compared.day,
            defaults={
                "state": ReconciledDay.State.READ,
                "whole": compared.whole,
                "message": message,
                "read_at": as_stored(read_at),
                "here": compared.here,
                "there": compared.there,
                "others": compared.others,
                "settled": settled,
                "ids_equal": evidence.ids_equal,
                "ids_differ": evidence.ids_differ,
                "members_equal": evidence.members_equal,
                "members_differ": evidence.members_differ,
            },
        )
        ids_doubt, members_doubt = doubts(compared.day, evidence)
        state.ids_doubt, state.members_doubt = (
            state.ids_doubt or ids_doubt,
            state.members_doubt or members_doubt,
        )
        state.save(using=using, update_fields=["ids_doubt", "members_doubt"])
        _write(day, compared, now)
        _close_settled(using, now)
        waiting = Discrepancy.objects.using(using).waiting().filter(day=day)
        return dict(waiting.order_by("kind").values_list("kind").annotate(n=Count("pk")))


def _write(day: ReconciledDay, compared: Compared, now: datetime) -> None:
    using = database()
    rows = Discrepancy.objects.using(using)
    held: dict[tuple[str, str], Discrepancy] = {
        (one.kind, one.subject): one for one in rows.filter(day=day).select_for_update()
    }
    found = {(one.kind, _subject(one)): one for one in _worth_telling(compared.differences, day)}
    new = []
    for (kind, subject), difference in found.items():
        one = held.get((kind, subject)) or Discrepancy(day=day, kind=kind, subject=subject, first_seen_at=now)
        _fill(one, difference, now)
        if one._state.adding:
            new.append(one)
        else:
            one.save(using=using)
    rows.bulk_create(new, batch_size=200)
    for key, one in held.items():
        if key not in found and one.closed_at is None and not _stays(one, compared):
            one.closed_at = now
            one.save(using=using, update_fields=["closed_at"])
    _close_contradicted(found.values(), day, now)


def _worth_telling(differences: Iterable[Difference], day: ReconciledDay) -> list[Difference]:
    """Leave out what another day's report answers: a registration found there is not missing here."""
    listed = list(differences)
    missing = [one.pk for one in listed if one.kind == "not_found"]
    open_rows = Discrepancy.objects.using(database()).filter(
        kind="found", closed_at=None, registration__in=missing
    )
    elsewhere = (
        set(open_rows.exclude(day=day).values_list("registration_id", flat=True)) if missing else set()
    )
    return [one for one in listed if one.kind != "not_found" or one.pk not in elsewhere]


def _stays(one: Discrepancy, compared: Compared) -> bool:
    """Whether a difference that was not seen again was not looked for either."""
    return one.kind in _ABOUT_MISSING and one.registration_id in compared.unjudged


def _close_contradicted(found: Iterable[Difference], day: ReconciledDay, now: datetime) -> None:
    """Close *not there* of other days where this day has it after all."""
    pks = [one.pk for one in found if one.kind == "found"]
    if pks:
        rows = Discrepancy.objects.using(database()).filter(kind="not_found", registration__in=pks)
        rows.filter(closed_at=None).exclude(day=day).update(closed_at=now)


def _close_settled(using: str, now: datetime) -> None:
    """Close what was said about a lost answer, of any day, once the registration is in doubt no more."""
    rows = Discrepancy.objects.using(using).filter(kind__in=_ABOUT_DOUBTS, closed_at=None)
    done = rows.filter(~Q(registration__at_elevate=AtElevate.MAYBE)).values_list("pk", flat=True)
    # MySQL does not update a table that the same statement reads.
    rows.filter(pk__in=list(done)).update(closed_at=now)


def _subject(one: Difference) -> str:
    """Name what a difference is about, the same whenever its day is read."""
    if one.kind != "only_there":
        return f"row:{one.pk}"
    line = one.line
    if line is not None and line.report_id:
        return f"line:{line.report_id}"
    told = "\n".join(
        [str(line.transaction_at), line.remote_product_id, line.remote_user_id, line.email, str(one.nth)]
        if line
        else []
    )
    # Keyed, since whoever knows an address could else find it in the table after it was erased.
    return f"told:{salted_hmac('elevate_integration.reconcile', told, algorithm='sha256').hexdigest()}"


def _fill(one: Discrepancy, difference: Difference, now: datetime) -> None:
    one.registration_id = difference.pk
    one.amount_here, one.amount_there = difference.amount_here, difference.amount_there
    one.count_here, one.count_there = difference.count_here, difference.count_there
    for name, value in _of_line(difference).items():
        setattr(one, name, value)
    if one.decision == Discrepancy.Decision.MENDED:
        one.decision = Discrepancy.Decision.OPEN
    one.last_seen_at, one.closed_at = now, None


def _of_line(difference: Difference) -> dict[str, Any]:
    line = difference.line
    if line is None:
        return {}
    nobody = difference.pk is None
    return {
        "report_id": line.report_id,
        "transaction_at": str(line.transaction_at or ""),
        "remote_product_id": line.remote_product_id[:150],
        "product_title": line.product_title,
        "remote_user_id": line.remote_user_id[:190] if nobody else "",
        "email": line.email[:254] if nobody else "",
    }
