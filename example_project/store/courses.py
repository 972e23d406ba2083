"""A member's courses at Elevate, in plain words. The store's only look at the registrations."""

from __future__ import annotations

from dataclasses import dataclass

from elevate_integration.conf import remote_user_id
from elevate_integration.models import Registration
from example_project.members.models import Member
from example_project.store.models import Product


@dataclass(frozen=True)
class State:
    """What a member reads about a course. `tone` chooses the colour: ready, waiting, attention or over."""

    label: str
    text: str
    tone: str


_GETTING_READY = State("Being set up", "This usually takes a few seconds.", "waiting")
_OFFICE = State("Being checked", "Our office is looking into it. You need not do anything.", "attention")
_ENDING = State("Ending", "Your order was refunded or cancelled; access ends shortly.", "over")
_ENDED = State("Ended", "Your order was refunded or cancelled.", "over")

_STATES = {
    "pending": _GETTING_READY,
    "held": State(
        "Details needed", "Please complete your name and e-mail address with our office.", "attention"
    ),
    "refused": _OFFICE,
    "unconfirmed": _OFFICE,
    "registered": State("Ready", "You are registered.", "ready"),
    "cancelling": _ENDING,
    "cancel_refused": _ENDING,
    "withdrawn": _ENDED,
    "cancelled": _ENDED,
}
# Given up in one order, and still there through another: the other one is listed.
_HIDDEN = {"covered"}
_HAS_IT = {"pending", "held", "refused", "unconfirmed", "registered"}


@dataclass(frozen=True)
class Course:
    """One course of a member. `url` is empty until it can be opened."""

    title: str
    state: State
    url: str
    order_ref: str


def registrations_of(member: Member) -> list[Registration]:
    """Give the member's registrations, the newest first; those bought by somebody else too."""
    found = Registration.objects.filter(remote_user_id=remote_user_id(member)).exclude(status__in=_HIDDEN)
    return list(found.select_related("mapping").order_by("-pk"))


def courses_of(member: Member) -> list[Course]:
    """Give the member's courses: first those that can be opened, last those that are over."""
    order = {"ready": 0, "waiting": 1, "attention": 2, "over": 3}
    courses = [_course(row) for row in registrations_of(member)]
    return sorted(courses, key=lambda course: order[course.state.tone])


def has_course(member: Member, product: Product) -> bool:
    """Whether the member has, or is about to get, a course of this product."""
    found = Registration.objects.filter(
        remote_user_id=remote_user_id(member), mapping__product_key=product.sku, status__in=_HAS_IT
    )
    return found.exists()


def _course(row: Registration) -> Course:
    state = _STATES.get(row.status, _OFFICE)
    return Course(
        # The parts of a bundle have their own titles in the product mappings.
        title=row.mapping.product_title or row.product_title,
        state=state,
        url=row.product_url if state.tone == "ready" else "",
        order_ref=row.order_ref,
    )
