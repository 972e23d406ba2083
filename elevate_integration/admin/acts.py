"""The acts on registrations as the pages offer them: name, words, permission, when possible, and what to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from elevate_integration import lifecycle, staff
from elevate_integration.admin.base import may
from elevate_integration.admin.cancel_form import CancelManyForm
from elevate_integration.admin.forms import FoundForm
from elevate_integration.lifecycle import LIVE, Obstacle, Status
from elevate_integration.models import Registration
from elevate_integration.staff import Acted

if TYPE_CHECKING:
    from elevate_integration.words import Text

# Gets the chosen rows, the request's actor, what the form gave, and whether the person may let cancels go.
Run = Callable[..., Acted | staff.Export]


@dataclass(frozen=True)
class Act:
    """One thing that staff can do with registrations.

    permission: codename in this app. label: on buttons and in the menu. what: what will happen, on the page that asks.
    possible: whether the button is offered for a row. many: whether it is in the menu of the list.
    """

    name: str
    label: Text
    what: Text
    permission: str
    possible: Callable[[Registration], bool]
    run: Run
    form: type[forms.Form] | None = None
    many: bool = True
    strong: bool = False

    def allowed(self, request: HttpRequest) -> bool:
        """Tell whether the person may do it."""
        return may(request, self.permission)


def _can_retry(row: Registration) -> bool:
    if row.claim_token is not None or row.obstacle == Obstacle.PARKED:
        return False
    waiting = row.due_at is not None and row.due_at > timezone.now()
    blocked = row.obstacle != Obstacle.NONE
    return (blocked or waiting) and lifecycle.retry(row.state).next_operation is not None


def _can_register_again(row: Registration) -> bool:
    return not row.wanted and row.seat_active


def _can_cancel(row: Registration) -> bool:
    if row.wanted:
        return True
    return row.obstacle == Obstacle.NONE and not row.confirmed and row.at_elevate in LIVE


def _can_mark_cancelled(row: Registration) -> bool:
    if row.claim_token is not None:
        return False
    doubtful = row.status == Status.UNCONFIRMED and not row.wanted
    return doubtful or row.obstacle in (Obstacle.CANCEL_REFUSED, Obstacle.PARKED)


def _can_keep(row: Registration) -> bool:
    return row.claim_token is None and row.obstacle in (Obstacle.CANCEL_REFUSED, Obstacle.PARKED)


def _can_let_go(row: Registration) -> bool:
    return row.obstacle == Obstacle.PARKED


def _can_mark_registered(row: Registration) -> bool:
    return row.claim_token is None and row.status in (Status.UNCONFIRMED, Status.REFUSED, Status.PENDING)


def _can_export(row: Registration) -> bool:
    return not staff.exportable(row)


def _pks(rows: list[Registration]) -> list[int]:
    return [row.pk for row in rows]


def _retry(rows: list[Registration], *, actor: str, given: dict[str, Any], lets_go: bool) -> Acted:
    return staff.retry(_pks(rows), actor=actor, let_go=lets_go)


def _register_again(rows: list[Registration], *, actor: str, **_rest: Any) -> Acted:
    return staff.register_again(_pks(rows), actor=actor)


def _cancel(rows: list[Registration], *, actor: str, given: dict[str, Any], **_rest: Any) -> Acted:
    texts = {name: value for name, value in given.items() if name != "number"}
    return staff.cancel(_pks(rows), actor=actor, **texts)


def _mark_cancelled(rows: list[Registration], *, actor: str, **_rest: Any) -> Acted:
    return staff.mark_cancelled(_pks(rows), actor=actor)


def _keep(rows: list[Registration], *, actor: str, **_rest: Any) -> Acted:
    return staff.keep(_pks(rows), actor=actor)


def _let_go(rows: list[Registration], *, actor: str, **_rest: Any) -> Acted:
    return staff.let_go(_pks(rows), actor=actor)


def _mark_registered(rows: list[Registration], *, actor: str, given: dict[str, Any], **_rest: Any) -> Acted:
    return staff.mark_registered(rows[0].pk, actor=actor, **given)


def _export(rows: list[Registration], **_rest: Any) -> staff.Export:
    return staff.export(rows)


def _resync(rows: list[Registration], *, actor: str, **_rest: Any) -> Acted:
    """Read the orders in this request, or have delivery read them when they are too many to wait for."""
    results = staff.resync_or_mark([row.order_ref for row in rows], actor=actor)
    if results is None:
        return Acted(
            done=_pks(rows), notes=[(row.pk, _("read in the background, as there are many")) for row in rows]
        )
    errors = {result.order_ref: result.error for result in results if result.error}
    return Acted(
        done=[row.pk for row in rows if row.order_ref not in errors],
        left=[(row.pk, errors[row.order_ref]) for row in rows if row.order_ref in errors],
    )


ACTS: dict[str, Act] = {
    act.name: act
    for act in (
        Act(
            "retry",
            _("Retry"),
            _("The call to Elevate is made again as soon as possible."),
            "retry_registration",
            _can_retry,
            _retry,
        ),
        Act(
            "let_go",
            _("Let go"),
            _(
                "The brake no longer holds these cancellations back: they are sent to Elevate as soon as possible."
            ),
            "pause_delivery",
            _can_let_go,
            _let_go,
            strong=True,
        ),
        Act(
            "keep",
            _("Keep"),
            _(
                "The learner stays registered at Elevate although the order no longer covers the seat. Only a later "
                "change of the order cancels."
            ),
            "cancel_registration",
            _can_keep,
            _keep,
        ),
        Act(
            "mark_registered",
            _("Mark as registered"),
            _(
                "Use this when you found the registration in Elevate. Nothing is sent. If it is no longer wanted "
                "here, it is cancelled next."
            ),
            "retry_registration",
            _can_mark_registered,
            _mark_registered,
            form=FoundForm,
            many=False,
        ),
        Act(
            "mark_cancelled",
            _("Mark as cancelled"),
            _("Use this when you saw in Elevate that the registration is not there. Nothing is sent."),
            "cancel_registration",
            _can_mark_cancelled,
            _mark_cancelled,
        ),
        Act(
            "register_again",
            _("Register again"),
            _("What was given up is wanted again, and registered at Elevate if it is not there."),
            "retry_registration",
            _can_register_again,
            _register_again,
        ),
        Act(
            "resync",
            _("Resync"),
            _(
                "The orders are read again and the registrations follow them. What staff cancelled stays cancelled."
            ),
            "resync_order",
            lambda row: True,
            _resync,
        ),
        Act(
            "export",
            _("Export for mass import"),
            _(
                "Writes files for Elevate's Mass Registration Import, for when its API is closed. Nothing is sent, and "
                "nothing changes here."
            ),
            "retry_registration",
            _can_export,
            _export,
        ),
        Act(
            "cancel",
            _("Cancel"),
            _(
                "The registrations are cancelled at Elevate, and stay cancelled until the order changes or somebody "
                "presses Register again."
            ),
            "cancel_registration",
            _can_cancel,
            _cancel,
            form=CancelManyForm,
            strong=True,
        ),
    )
}
