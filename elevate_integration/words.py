"""What staff read: plain words for statuses, obstacles and problems, and what to do about each.

Ground floor: knows the lifecycle and gettext, no models. Texts say what is so first, then what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from elevate_integration.lifecycle import AtElevate, Obstacle, Operation, State, Status

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    Text = str | _StrPromise

STATUSES: dict[str, Text] = {
    Status.PENDING: _("pending"),
    Status.HELD: _("held"),
    Status.REFUSED: _("refused"),
    Status.UNCONFIRMED: _("unconfirmed"),
    Status.REGISTERED: _("registered"),
    Status.CANCELLING: _("cancelling"),
    Status.COVERED: _("covered"),
    Status.CANCEL_REFUSED: _("cancel refused"),
    Status.WITHDRAWN: _("withdrawn"),
    Status.CANCELLED: _("cancelled"),
}

OPERATIONS: dict[str, Text] = {Operation.REGISTER: _("register"), Operation.CANCEL: _("cancel")}

OUTCOMES: dict[str, Text] = {
    "done": _("done"),
    "refused": _("refused by Elevate"),
    "not_sent": _("not sent"),
    "unknown": _("answer lost"),
}

TRIGGERS: dict[str, Text] = {
    "mark": _("change of the order"),
    "staff": _("staff"),
    "api": _("REST API"),
    "sweep": _("sweep"),
    "command": _("command line"),
    "reconcile": _("comparison with Elevate's report"),
}

GATES: dict[str, Text] = {
    "unreachable": _("Elevate cannot be reached"),
    "key": _("Elevate refuses the API key"),
    "busy": _("Elevate asks to wait"),
}

PROBLEMS: dict[str, Text] = {
    "no_learner": _("Nobody is named for this seat. Name the learner here or in the store."),
    "no_user_id": _(
        "This person has no account yet, so there is no user ID for Elevate. It goes on by itself once the store has an "
        "account for this person; or link the learner to one there."
    ),
    "no_email": _("The learner has no e-mail address. Add it in the store."),
    "no_name": _("The learner has neither a first nor a last name. Add it in the store."),
    "bad_amount": _("The amount paid cannot be sent: it is negative, missing or has parts of a cent."),
    "too_long": _("A name, e-mail address or user ID is too long for Elevate. Shorten it in the store."),
    "forgotten": _(
        "The learner's details were forgotten. They are read from the order again, and then it goes on by itself."
    ),
    "same_email": _(
        "The store now gives this e-mail address another user ID. Check whether it is the same person: "
        "if so, Retry; if not, correct the address in the store."
    ),
}


@dataclass(frozen=True)
class Situation:
    """Where a registration stands, in words.

    what: what is so. mend: what a person can do, or "" when nothing is needed. next: what happens by itself.
    """

    what: Text
    next: Text
    mend: Text = ""


NOTHING = _("nothing")
_A_PERSON = _("waits for a person")

_SITUATIONS: dict[str, Situation] = {
    "pending": Situation(
        _("The seat is paid for. Elevate does not know about it yet."), _("is registered at Elevate")
    ),
    "incomplete": Situation(
        _("The seat is paid for, but details that Elevate needs are missing."),
        _("goes on by itself once the details are complete in the store"),
        _("Complete the details in the store. Nothing needs to be pressed here."),
    ),
    "identity": Situation(
        _("The seat is paid for, but it is not certain who the learner is."),
        _A_PERSON,
        _("Check the learner. If it is the same person, press Retry."),
    ),
    "refused": Situation(
        _("Elevate refused the registration; its own words are below."),
        _A_PERSON,
        _("Mend what Elevate names, often the Remote Product ID in the product mapping. Then press Retry."),
    ),
    "open": Situation(_("A call to Elevate is open now."), _("its answer is recorded")),
    "repeat": Situation(
        _("The registration was sent, but no answer came back."),
        _("is sent once more, then waits for a person"),
    ),
    "doubt": Situation(
        _("The registration was sent, but no answer came back. Elevate may or may not have it."),
        _A_PERSON,
        _(
            "Look for the learner in Elevate. If the registration is there, press Mark as registered and type its "
            "ID; if not, press Retry."
        ),
    ),
    "doubt_unwanted": Situation(
        _(
            "The registration was sent and no answer came back; since then it was cancelled. Elevate may or may "
            "not have it, and it is not sent again."
        ),
        _A_PERSON,
        _(
            "Look for the learner in Elevate. If the registration is there, press Mark as registered and type its "
            "ID, and it is cancelled; if not, press Mark as cancelled."
        ),
    ),
    "registered": Situation(_("The learner is registered at Elevate."), NOTHING),
    "grace": Situation(
        _("The seat is no longer paid for. The learner is still registered at Elevate."),
        _("the order is read a second time, then cancelled at Elevate"),
    ),
    "cancelling": Situation(
        _("The registration is to be cancelled. The learner is still registered at Elevate."),
        _("is cancelled at Elevate"),
    ),
    "leaving": Situation(
        _("The cancellation was sent, but no answer came back."),
        _("the cancellation is sent again, which is safe"),
    ),
    "return": Situation(
        _("A cancellation was sent, no answer came back, and the seat is paid for again."),
        _("the cancellation is sent again, then the learner is registered anew"),
    ),
    "parked": Situation(
        _("The brake holds this cancellation back: there were more of them in an hour than is usual."),
        _A_PERSON,
        _("Check the orders. Press Let go to cancel at Elevate, or Keep to leave the learner registered."),
    ),
    "covered": Situation(
        _("This seat is given up, but another paid order gives this learner the same product."),
        _("is cancelled when no paid order is left"),
    ),
    "cancel_refused": Situation(
        _("Elevate refused to cancel the registration; its own words are below."),
        _A_PERSON,
        _(
            "Look at the registration in Elevate. Then press Retry to cancel again, Mark as cancelled if it is "
            "gone, or Keep to leave the learner registered."
        ),
    ),
    "withdrawn": Situation(_("Given up before Elevate knew about it."), NOTHING),
    "cancelled": Situation(_("The registration was cancelled at Elevate."), NOTHING),
}


def situation(state: State) -> Situation:
    """Tell where a registration stands."""
    return _SITUATIONS[situation_name(state)]


def situation_name(state: State) -> str:
    """Name the situation: two registrations with the same name stand in the same way."""
    status = state.status
    if status is Status.HELD:
        return state.obstacle.value
    if status is Status.UNCONFIRMED:
        return _unconfirmed(state)
    if status is Status.CANCELLING:
        return _cancelling(state)
    return status.value


def _unconfirmed(state: State) -> str:
    if state.in_flight:
        return "open"
    if not state.wanted:
        return "doubt_unwanted"
    if state.obstacle is Obstacle.NONE:
        return "repeat"
    return "doubt"


def _cancelling(state: State) -> str:
    if state.obstacle is Obstacle.PARKED:
        return "parked"
    if state.at_elevate is AtElevate.LEAVING:
        return "return" if state.wanted else "leaving"
    return "cancelling" if state.confirmed else "grace"


def problems(codes: str) -> list[Text]:
    """Read the codes in a row's `problems`. A code without words comes back as it is."""
    return [PROBLEMS.get(code, code) for code in codes.split(",") if code]


def said(pairs: Iterable[Any]) -> list[str]:
    """Give what Elevate said, word for word, each with the field it is about."""
    texts = []
    for pair in pairs:
        field, text = pair if isinstance(pair, list | tuple) and len(pair) == 2 else ("", pair)
        texts.append(f"{field}: {text}" if field else str(text))
    return texts
