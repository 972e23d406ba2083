"""Acts that take a learner from Elevate, or decide about a cancellation that waits for a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from elevate_integration import lifecycle, signals
from elevate_integration.lifecycle import AtElevate, Obstacle, State, Status
from elevate_integration.models import Registration, database
from elevate_integration.staff.registering import want_again
from elevate_integration.staff.rows import CALL_OPEN, Acted, LeftAlone, act

_IN_DOUBT = _(
    "Elevate may have it, and no ID is known to cancel; look there, then use “Mark as registered” or "
    "“Mark as cancelled”"
)
_BRAKED = _("the brake holds the cancellation back until somebody lets it go")
_NOTES = {Obstacle.DOUBT: _IN_DOUBT, Obstacle.PARKED: _BRAKED}


def cancel(
    pks: Iterable[Any],
    *,
    actor: str,
    explanation: str = "",
    explanation_for_user: str = "",
    notify: bool = False,
    email: str = "",
    trigger: str = "staff",
) -> Acted:
    """Give registrations up because a person says so. It outlives later syncs, refunds no money, obeys the brake.

    explanation, explanation_for_user, email: empty texts mean what the settings say.
    notify: whether Elevate mails the learner.
    """
    details = cancel_details(
        explanation=explanation, explanation_for_user=explanation_for_user, notify=notify, email=email
    )
    acted = act(pks, partial(_cancel, details=details), actor=actor, changes_wish=True, trigger=trigger)
    waiting = Registration.objects.using(database()).filter(pk__in=acted.done, obstacle__in=_NOTES)
    for pk, obstacle in waiting.order_by("pk").values_list("pk", "obstacle"):
        acted.notes.append((pk, _NOTES[Obstacle(obstacle)]))
    return acted


def cancel_details(
    *, explanation: str = "", explanation_for_user: str = "", notify: bool = False, email: str = ""
) -> dict[str, Any]:
    """Give what a row keeps of the texts that staff wrote for its cancellation; empty ones are left to the settings."""
    details = {
        "notify": notify,
        "explanation": explanation.strip(),
        "explanation_for_user": explanation_for_user.strip(),
        "email": email.strip(),
    }
    return {name: value for name, value in details.items() if value != ""}


def _cancel(row: Registration, state: State, now: datetime, *, details: dict[str, Any]) -> State:
    nowhere = state.at_elevate is AtElevate.ABSENT and not state.in_flight
    if not state.wanted and nowhere:
        raise LeftAlone(_("it is cancelled or withdrawn already"))
    if state.wanted:
        row.brake_released = False
        row.failures = 0
    row.staff_cancelled, row.cancel_details = True, details
    row.unwanted_at = now
    after = lifecycle.wish(state, wanted=False)
    if after.obstacle is Obstacle.CANCEL_REFUSED:
        after = lifecycle.retry(after)
    return replace(after, confirmed=True)


def let_go(pks: Iterable[Any], *, actor: str) -> Acted:
    """Let parked cancels pass the brake."""
    return act(pks, _let_go, actor=actor)


def _let_go(row: Registration, state: State, now: datetime) -> State:
    if state.obstacle is not Obstacle.PARKED:
        raise LeftAlone(_("the brake does not hold it back"))
    row.brake_released = True
    row.failures = 0
    return lifecycle.retry(state)


def keep(pks: Iterable[Any], *, actor: str) -> Acted:
    """Leave learners registered whose cancel is parked or was refused. Only a later change of the order cancels."""
    return act(pks, _keep, actor=actor, changes_wish=True)


def _keep(row: Registration, state: State, now: datetime) -> State:
    if state.in_flight:
        raise LeftAlone(CALL_OPEN)
    if state.obstacle not in (Obstacle.PARKED, Obstacle.CANCEL_REFUSED):
        raise LeftAlone(_("its cancellation is neither held back nor refused"))
    # The seat stays as it was last read: sync changes a wish only when the order itself changes.
    return replace(want_again(row, state), at_elevate=AtElevate.PRESENT, obstacle=Obstacle.NONE)


def mark_cancelled(pks: Iterable[Any], *, actor: str) -> Acted:
    """Record that a person saw that Elevate does not have these registrations. Sends nothing."""
    acted = act(pks, _mark_cancelled, actor=actor, changes_wish=True)
    for row in Registration.objects.using(database()).filter(pk__in=acted.done, status=Status.CANCELLED):
        transaction.on_commit(partial(_tell_cancelled, row), using=database(), robust=True)
    return acted


def _mark_cancelled(row: Registration, state: State, now: datetime) -> State:
    if state.in_flight:
        raise LeftAlone(CALL_OPEN)
    doubtful = state.status is Status.UNCONFIRMED and not state.wanted
    if not doubtful and state.obstacle not in (Obstacle.CANCEL_REFUSED, Obstacle.PARKED):
        raise LeftAlone(_("only a refused, parked or unconfirmed cancellation can be marked as cancelled"))
    if state.was_there:
        row.cancelled_at = now
    row.failures = 0
    return replace(state, at_elevate=AtElevate.ABSENT, obstacle=Obstacle.NONE, confirmed=False, doubts=0)


def _tell_cancelled(row: Registration) -> None:
    signals.cancelled.send_robust(sender=Registration, registration=row)
