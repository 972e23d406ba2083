"""My courses, for the member who is logged in; and the small endpoint that its pages ask again."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from elevate_integration.members import tickets

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
    return render(request, "elevate_integration/courses.html")


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
