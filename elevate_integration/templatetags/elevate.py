"""`{% load elevate %}`: a member's courses, the courses of an order, and the way back to Elevate, in the host's pages.

Each tag asks one function below and shows it; `docs/members.md` describes them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import template
from django.urls import NoReverseMatch, reverse

from elevate_integration.conf import conf
from elevate_integration.members import arriving
from elevate_integration.members.courses import Course, courses_of, seats_of_line, web_address
from elevate_integration.members.tickets import MINE, ORDER, PRODUCTS, Ticket

register = template.Library()


@register.inclusion_tag("elevate_integration/watched.html", takes_context=True)
def elevate_courses(context: Any, user: Any) -> dict[str, Any]:
    """Show the courses of a log-in: `{% elevate_courses user %}`."""
    return _watched(context, Ticket(MINE), user)


@register.simple_tag
def get_elevate_courses(user: Any) -> tuple[Course, ...]:
    """Give the courses of a log-in to a template that shows them in its own way: `… as courses`."""
    return courses_of(user).courses


@register.inclusion_tag("elevate_integration/watched.html", takes_context=True)
def elevate_link(context: Any, line: Any, *seat_keys: str) -> dict[str, Any]:
    """Show the courses of an order line, and ask again for a while when they are not there yet.

    line: what the source's `seats_of_line` knows, or an order's reference (text or number). seat_keys: with a
    reference, the seats to show instead of all. Only for pages that the viewer may see: it shows other learners'
    places too, without names and links.
    """
    if isinstance(line, str | int | UUID):
        order_ref, keys = str(line), tuple(str(key) for key in seat_keys)
    else:
        order_ref, keys = seats_of_line(line)
    return _watched(context, Ticket(ORDER, order_ref, keys), _user(context)) if order_ref else {}


@register.inclusion_tag("elevate_integration/way_back.html", takes_context=True)
def elevate_way_back(context: Any, request: Any, order_ref: Any = "") -> dict[str, Any]:
    """Offer a visitor who came from Elevate the way back to his product: `{% elevate_way_back request order.pk %}`.

    For the page that follows the payment. Shows nothing to anybody else. order_ref: the order just paid; without it
    a course that is not there yet is not waited for.
    """
    names = tuple(arriving.remembered(request)) if request is not None else ()
    if not names:
        return {}
    user = getattr(request, "user", None)
    shown = _watched(context, Ticket(PRODUCTS, str(order_ref), names), user)
    return {**shown, "site": web_address(conf().url), "came": True}


def _watched(context: Any, ticket: Ticket, user: Any) -> dict[str, Any]:
    found = ticket.look(user)
    state, courses = _address("state"), _address("courses")
    return {
        "found": found,
        "ticket": ticket.sign(user) if found.waiting and state else "",
        "state": state,
        "courses_page": courses if courses != getattr(context.get("request"), "path", "") else "",
        "about": ticket.about,
        "request": context.get("request"),
        "user": user,
    }


def _user(context: Any) -> Any:
    request = context.get("request")
    return getattr(request, "user", None) if request is not None else context.get("user")


def _address(name: str) -> str:
    """Give the address of one of our pages; `""` where the host does not include them: then nothing asks again."""
    try:
        return reverse(f"elevate_integration:{name}")
    except NoReverseMatch:
        return ""
