"""One member forgotten on request: every finished registration, and what else names the member here.

What stays of the member is a stand-in for the user ID (see `stand_in`): by it an order that is read again finds its
registration, and nothing is registered a second time or cancelled by mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q

from elevate_integration.clock import database_now
from elevate_integration.events import event, get_logger
from elevate_integration.forgetting.rows import (
    LINKED,
    Tally,
    empty_differences,
    forget,
    seats_of,
    unname,
    why_not,
)
from elevate_integration.locking import write_first
from elevate_integration.models import DeliveryState, Registration, SeatAssignment, TrackedOrder, database
from elevate_integration.reconciled import Discrepancy
from elevate_integration.retrying import retried
from elevate_integration.stand_in import is_stand_in, stand_ins

logger = get_logger(__name__)


class SeveralMembers(ValueError):  # noqa: N818 - an answer to a question rather than a failure
    """An e-mail address that several members have: somebody must say which of them is meant. ids: their user IDs."""

    def __init__(self, ids: Collection[str]) -> None:
        super().__init__("Several members have this e-mail address.")
        self.ids = tuple(sorted(ids))


@dataclass
class _Who:
    """Whom to forget.

    ids: user IDs. emails: addresses that nobody else has, casefolded. keys: learner keys, and what stands in for them.
    """

    ids: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


@retried
def erase(*, member: str = "", email: str = "", dry_run: bool = False) -> Tally:
    """Forget one member, in one transaction.

    member: the user ID at Elevate. email: an address, also one that was forgotten with time. Either or both.
    Registrations that are not finished are passed over, and with them others of the same product. Raises ValueError
    without either, and SeveralMembers when the address alone does not tell who is meant.
    """
    member, email = member.strip(), email.strip().casefold()
    if not member and not email:
        raise ValueError("A user ID or an e-mail address is needed.")
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        who = _who(member, email, using)
        rows = _lock(who, using)
        tally = _erase(who, rows, using)
        if dry_run:
            transaction.set_rollback(True, using=using)
    if not dry_run:
        logger.info(
            "A member was forgotten: %s registrations, %s passed over.",
            tally.registrations,
            tally.passed_over,
            extra=event("elevate.member.forgotten", number=tally.registrations, left=tally.passed_over),
        )
    return tally


def erase_learner_of(row: Registration, *, dry_run: bool = False) -> Tally:
    """Forget the learner of a registration. Raises ValueError where nothing is known of one, else as `erase`."""
    if row.remote_user_id:
        return erase(member=row.remote_user_id, dry_run=dry_run)
    return erase(email=row.email, dry_run=dry_run)


def has_learner(row: Registration) -> bool:
    """Whether it is known whose a registration is, so that the learner can be forgotten."""
    return bool(row.remote_user_id or row.email)


def _who(member: str, email: str, using: str) -> _Who:
    rows = Registration.objects.using(using)
    who = _Who(ids={member} - {""}, emails={email} - {""})
    if email:
        others = _ids_of({email}, using) - who.ids
        if others and (member or len(others) > 1):
            raise SeveralMembers(others | who.ids)
        who.ids |= others
    # After `identity_changed` one member has two IDs.
    known = rows.filter(Q(learner_key__in=who.ids) | Q(remote_user_id__in=who.ids))
    for key, user_id, address in known.values_list("learner_key", "remote_user_id", "email_key"):
        who.ids |= {one for one in (key, user_id) if one and not _stands_for_something(one)}
        who.emails |= {address} - {""}
    who.emails = {one for one in who.emails if not is_stand_in(one) and _ids_of({one}, using) <= who.ids}
    keys = who.ids | {f"email:{one}" for one in who.emails}
    who.keys = keys | {form for key in keys for form in stand_ins(key)}
    return who


def _ids_of(emails: Collection[str], using: str) -> set[str]:
    """Give the user IDs that registrations have with these addresses."""
    forms = {form for one in emails for form in (one, *stand_ins(one))}
    rows = Registration.objects.using(using).filter(email_key__in=forms).exclude(remote_user_id="")
    return set(rows.values_list("remote_user_id", flat=True))


def _stands_for_something(key: str) -> bool:
    return is_stand_in(key) or key.startswith(("email:", "duplicate:"))


def _lock(who: _Who, using: str) -> list[Registration]:
    """Lock everything that is known of the member.

    Twice: an order that was read while we waited for the first locks may have made a registration, and a statement of
    its own sees it. One that comes later finds the stand-ins.
    """
    rows = Registration.objects.using(using).order_by("pk")
    # Without an index, so not while locking: MySQL would lock what it reads on the way.
    far = rows.filter(Q(remote_user_id__in=who.ids) | Q(other_user_id__in=who.ids))
    pks = set(far.values_list("pk", flat=True)) if who.ids else set()
    near = rows.filter(learner_key__in=who.keys).select_for_update()
    list(near)
    found = list(near.all())
    pks -= {row.pk for row in found}
    return [*found, *rows.filter(pk__in=pks).select_for_update()]


def _erase(who: _Who, rows: list[Registration], using: str) -> Tally:
    tally = Tally()
    theirs = [row for row in rows if _is_theirs(row, who)]
    reasons = {row.pk: why_not(row) for row in theirs}
    open_pairs = {row.pair for row in theirs if reasons[row.pk]}
    for row in theirs:
        if not reasons[row.pk] and row.pair in open_pairs:
            reasons[row.pk] = LINKED
    gone = [row for row in theirs if not reasons[row.pk] and not _is_done(row)]
    tally.left = Counter(reason for reason in reasons.values() if reason)
    tally.registrations, tally.done = len(gone), [row.pk for row in gone]
    forget(gone, database_now(using), using, erase=True)
    _forget_former_ids(who, rows, using)
    tally.seats = _unname(who, gone, using)
    tally.differences = _empty_differences(who, gone, using)
    _shorten_texts(who, gone, using)
    return tally


def _is_theirs(row: Registration, who: _Who) -> bool:
    return row.learner_key in who.keys or row.remote_user_id in who.ids


def _is_done(row: Registration) -> bool:
    """Whether nothing of the learner is left in a row: it was forgotten on request before."""
    return row.forgotten_at is not None and not row.remote_user_id and row.erased


def _forget_former_ids(who: _Who, rows: Collection[Registration], using: str) -> None:
    """Elsewhere the ID may stand as the one that the store gives now for somebody: it is read again if that is so."""
    named = [row.pk for row in rows if row.other_user_id in who.ids and not _is_theirs(row, who)]
    Registration.objects.using(using).filter(pk__in=named).update(other_user_id="")


def _unname(who: _Who, gone: Collection[Registration], using: str) -> int:
    rows = SeatAssignment.objects.using(using)
    seats = seats_of(gone)
    of_seats = rows.filter(order_ref__in={order_ref for order_ref, _ in seats})
    number = unname(
        [one for one in of_seats if (one.order_ref, one.seat_key) in seats], using, finished_is_enough=False
    )
    if who.emails:
        condition = Q()
        for email in who.emails:
            condition |= Q(email__iexact=email)
        number += unname(rows.filter(condition), using, finished_is_enough=True)
    rows.filter(entered_by__in=who.ids | who.emails).update(entered_by="")
    return number


def _empty_differences(who: _Who, gone: Collection[Registration], using: str) -> int:
    condition = Q(registration__in=[row.pk for row in gone]) | Q(remote_user_id__in=who.ids)
    for email in who.emails:
        condition |= Q(email__iexact=email)
    rows = Discrepancy.objects.using(using).filter(condition).exclude(email="", remote_user_id="", note="")
    return empty_differences(list(rows.values_list("pk", flat=True)), using)


def _shorten_texts(who: _Who, gone: Collection[Registration], using: str) -> None:
    """Texts that somebody else wrote may quote an address: of an order's last error its kind stays, of Elevate's words nothing."""
    orders = TrackedOrder.objects.using(using).filter(order_ref__in={row.order_ref for row in gone})
    for order in orders.exclude(last_error=""):
        orders.filter(pk=order.pk).update(last_error=order.last_error.partition(":")[0])
    state = DeliveryState.objects.using(using).filter(pk=1).first()
    if state is not None and any(email in state.gate_message.casefold() for email in who.emails):
        DeliveryState.objects.using(using).filter(pk=1).update(gate_message="")
