"""Where a registration stands, in the words that its learner reads. Ground floor: knows the lifecycle and gettext.

Texts promise nothing that is not so, and name nobody: a page may be seen by the buyer or by another learner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from elevate_integration.lifecycle import Obstacle, State, Status

if TYPE_CHECKING:
    from elevate_integration.words import Text


@dataclass(frozen=True)
class Standing:
    """What is read about a course.

    name: for style sheets: ready, waiting, details, unnamed, attention, ending or over.
    rank: where it comes in a list; what can be opened comes first, what is over last.
    """

    name: str
    label: Text
    text: Text
    rank: int


READY = Standing("ready", _("Ready"), _("You are registered."), 0)
WAITING = Standing(
    "waiting",
    _("Being set up"),
    _("This usually takes a few seconds. If it takes longer, it goes on by itself."),
    1,
)
DETAILS = Standing(
    "details",
    _("Details needed"),
    _("Something is missing in your member record. Please complete your name and e-mail address there."),
    2,
)
# To a style sheet the same as the one above: somebody has to complete something.
NO_ACCOUNT = Standing(
    "details",
    _("No account yet"),
    _(
        "The person who takes this place has no account here that we know of. Once there is one with the same e-mail "
        "address, it goes on by itself."
    ),
    2,
)
UNNAMED = Standing(
    "unnamed",
    _("Nobody named yet"),
    _("Name the person who takes this place, and it goes on by itself."),
    2,
)
ATTENTION = Standing(
    "attention", _("We are on it"), _("Our office is looking into it. You need not do anything."), 2
)
ENDING = Standing("ending", _("Ending"), _("This place was refunded or cancelled; access ends shortly."), 3)
OVER = Standing("over", _("Cancelled"), _("This place was refunded or cancelled."), 4)

_OF_STATUS = {
    Status.PENDING: WAITING,
    Status.REFUSED: ATTENTION,
    Status.REGISTERED: READY,
    Status.CANCEL_REFUSED: ENDING,
    Status.COVERED: OVER,
    Status.WITHDRAWN: OVER,
    Status.CANCELLED: OVER,
}


def standing(state: State, *, named: bool = True, account: bool = True) -> Standing:
    """Tell where a registration stands.

    named: whether a learner is known for the seat. account: whether his user ID is known.
    """
    match state.status:
        case Status.HELD:
            if state.obstacle is Obstacle.IDENTITY:
                return ATTENTION
            if not named:
                return UNNAMED
            return DETAILS if account else NO_ACCOUNT
        case Status.UNCONFIRMED:
            if not state.wanted:
                return OVER
            return WAITING if state.in_flight or state.obstacle is Obstacle.NONE else ATTENTION
        case Status.CANCELLING:
            # A cancel whose answer was lost, of a place that is paid for again: it is registered anew.
            return WAITING if state.wanted else ENDING
        case status:
            return _OF_STATUS[status]
