"""Acts that bring a learner to Elevate: retry, register again, mark as registered, resync."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from elevate_integration import lifecycle, signals
from elevate_integration.conf import conf
from elevate_integration.lifecycle import LIVE, AtElevate, Obstacle, State, Status
from elevate_integration.marks import order_changed
from elevate_integration.models import Registration, database
from elevate_integration.retrying import retried
from elevate_integration.staff.rows import CALL_OPEN, Acted, LeftAlone, act
from elevate_integration.sync import SyncResult, sync_order
from elevate_integration.wake import wake

if TYPE_CHECKING:
    from elevate_integration.words import Text

# A person waits for the page while so many orders are read.
RESYNCED_AT_ONCE = 100
_ID_LIMIT = 64
_URL_LIMIT = 500

_NO_RETRY: dict[Status, Text] = {
    Status.HELD: _("details are missing; complete them in the store and it goes on by itself"),
    Status.UNCONFIRMED: _(
        "it is no longer wanted and is not sent again; look in Elevate, then use “Mark as registered” or "
        "“Mark as cancelled”"
    ),
    Status.REGISTERED: _("it is registered already"),
    Status.CANCELLING: _("the order is read a second time first; it goes on by itself"),
    Status.COVERED: _("another paid order covers the same member and product"),
    Status.WITHDRAWN: _("it was withdrawn; use “Register again”"),
    Status.CANCELLED: _("it was cancelled; use “Register again”"),
}
BRAKED = _("the brake holds this cancellation back; somebody who may let cancellations go must decide")
MARKABLE = (Status.UNCONFIRMED, Status.REFUSED, Status.PENDING)
NOT_PAID_FOR = _("the order no longer covers this seat")
STILL_IN_DOUBT = _("Elevate may have it already: look there, then use “Retry” or “Mark as registered”")


def retry(pks: Iterable[Any], *, actor: str, let_go: bool = True, trigger: str = "staff") -> Acted:
    """Try again what was refused, lost its answer, is held because of an identity, waits or is parked.

    A retry is a person's word: a held identity counts as checked, and a parked cancel passes the brake, unless
    `let_go` is False because the person may not decide that.
    """
    return act(pks, partial(_retry, let_go=let_go), actor=actor, trigger=trigger)


def _retry(row: Registration, state: State, now: datetime, *, let_go: bool) -> State:
    if state.in_flight:
        raise LeftAlone(CALL_OPEN)
    if state.obstacle is Obstacle.PARKED and not let_go:
        raise LeftAlone(BRAKED)
    after = lifecycle.retry(state)
    if after.next_operation is None:
        raise LeftAlone(_NO_RETRY[state.status])
    if state.obstacle is Obstacle.PARKED:
        row.brake_released = True
    if state.obstacle is Obstacle.IDENTITY:
        row.identity_checked, row.problems = True, ""
    row.failures = 0
    return after


def register_again(pks: Iterable[Any], *, actor: str) -> Acted:
    """Want again what staff, the API or a refund gave up, as long as the order still covers the seat."""
    acted = act(pks, _register_again, actor=actor, changes_wish=True)
    doubtful = Registration.objects.using(database()).filter(pk__in=acted.done, obstacle=Obstacle.DOUBT)
    acted.notes += [(pk, STILL_IN_DOUBT) for pk in doubtful.order_by("pk").values_list("pk", flat=True)]
    return acted


def _register_again(row: Registration, state: State, now: datetime) -> State:
    if state.wanted:
        raise LeftAlone(_("it is wanted already; use “Retry”"))
    if not row.seat_active:
        raise LeftAlone(NOT_PAID_FOR)
    after = want_again(row, state)
    if after.at_elevate is AtElevate.ABSENT and row.problems:
        return replace(after, obstacle=_obstacle_of(row.problems))
    return after


def want_again(row: Registration, state: State) -> State:
    """Take back every decision against a registration."""
    row.staff_cancelled, row.cancel_details, row.brake_released = False, None, False
    row.unwanted_at = None
    row.failures = 0
    return lifecycle.wish(state, wanted=True)


def _obstacle_of(problems: str) -> Obstacle:
    return Obstacle.IDENTITY if problems == "same_email" else Obstacle.INCOMPLETE


@retried
def mark_registered(
    pk: Any,
    registration_id: str,
    product_url: str = "",
    *,
    actor: str,
    trigger: str = "staff",
    only: Collection[Status] = MARKABLE,
) -> Acted:
    """Record that a person, or Elevate's report, found the registration at Elevate, under this ID. Sends nothing.

    One that is no longer wanted is cancelled next: by its order's second reading, or at once if staff cancelled it.
    trigger: as for `act`. only: the statuses in which it may be recorded.
    """
    found, url = str(registration_id).strip(), str(product_url).strip()
    change = partial(_mark_registered, registration_id=found, product_url=url, only=only)
    using = database()
    with transaction.atomic(using=using):
        acted = act([pk], change, actor=actor, changes_wish=True, trigger=trigger)
        for row in Registration.objects.using(using).filter(pk__in=acted.done):
            if row.wanted:
                transaction.on_commit(partial(_tell_registered, row), using=using, robust=True)
            elif not row.confirmed:
                order_changed(row.order_ref, using=using)
    return acted


def _mark_registered(
    row: Registration,
    state: State,
    now: datetime,
    *,
    registration_id: str,
    product_url: str,
    only: Collection[Status],
) -> State:
    if state.in_flight:
        raise LeftAlone(CALL_OPEN)
    # A pending one too: Elevate's Mass Registration Import may have brought it there while the API was closed.
    if state.status not in only:
        raise LeftAlone(_("only a pending, unconfirmed or refused registration can be marked as registered"))
    if not registration_id or len(registration_id) > _ID_LIMIT:
        raise LeftAlone(_("type the registration ID from Elevate, at most 64 characters"))
    if len(product_url) > _URL_LIMIT:
        raise LeftAlone(_("the address of the product's page is too long"))
    if _taken(row, registration_id):
        raise LeftAlone(_("another registration here already has this ID; check the ID in Elevate"))
    row.registration_id, row.product_url = registration_id, product_url
    row.id_is_number = registration_id.isascii() and registration_id.isdigit()
    row.site = conf().url
    row.registered_at = row.registered_at or now
    row.failures = 0
    return replace(state, at_elevate=AtElevate.PRESENT, obstacle=Obstacle.NONE, was_there=True, doubts=0)


def _taken(row: Registration, registration_id: str) -> bool:
    others = Registration.objects.using(database()).exclude(pk=row.pk)
    return others.filter(registration_id=registration_id, site=conf().url, at_elevate__in=LIVE).exists()


def _tell_registered(row: Registration) -> None:
    signals.registered.send_robust(sender=Registration, registration=row)


def resync_or_mark(order_refs: Iterable[Any], *, actor: str) -> list[SyncResult] | None:
    """Read orders again now, see `resync`; or mark them all and give None where they are too many to wait for."""
    refs = list(dict.fromkeys(str(ref) for ref in order_refs))
    if len(refs) <= RESYNCED_AT_ONCE:
        return resync(refs, actor=actor)
    for ref in refs:
        order_changed(ref)
    return None


def resync(order_refs: Iterable[Any], *, actor: str, trigger: str = "staff") -> list[SyncResult]:
    """Read orders again now, one transaction each. An order that cannot be read says so in its own result."""
    refs = list(dict.fromkeys(str(ref) for ref in order_refs))
    results = [sync_order(ref, trigger=trigger, actor=actor[:150]) for ref in refs]
    transaction.on_commit(wake, using=database(), robust=True)
    return results
