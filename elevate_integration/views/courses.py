"""My courses, for the member who is logged in; and the small endpoint that its pages ask again."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from elevate_integration.events import event, get_logger
from elevate_integration.members import tickets
from elevate_integration.seats import orders_to_name

logger = get_logger(__name__)

FRAGMENTS = {
    tickets.MINE: "elevate_integration/course_list.html",
    tickets.ORDER: "elevate_integration/course_list.html",
    tickets.PRODUCTS: "elevate_integration/way_back_list.html",
}


@never_cache
@login_required
@require_safe
def courses(request: HttpRequest) -> HttpResponse:
    """The courses of the log-in, and of nobody else."""
    return render(
        request, "elevate_integration/courses.html", {"orders_to_name": _orders_to_name(request.user)}
    )


def _orders_to_name(user: Any) -> tuple[str, ...]:
    """The orders in which the log-in has learners to name; none, and a log entry, while the source cannot tell."""
    try:
        return orders_to_name(user)
    except Exception:
        logger.exception(
            "The order source could not tell which seats of a log-in wait for names.",
            extra=event("elevate.source.failed", method="orders_to_name"),
        )
        return ()


@never_cache
@require_safe
def state(request: HttpRequest) -> JsonResponse:
    """Tell a page what there is to show now. Allowed by the signed ticket in the header `X-Elevate-Ticket`.

    `settled`: asking again brings nothing new. `html`: what to show instead; left out while there is nothing.
    A ticket that is missing, too old or another's is answered with 403.
    """
    ticket = tickets.read(request.headers.get("X-Elevate-Ticket", ""), request.user)
    if ticket is None:
        return JsonResponse({"settled": True}, status=403)
    found = ticket.look(request.user)
    answer: dict[str, object] = {"settled": not found.waiting}
    if found.courses or not found.waiting:
        answer["html"] = render_to_string(
            FRAGMENTS[ticket.about], {"found": found, "about": ticket.about}, request
        )
    return JsonResponse(answer)
