"""`seats/…/`: where a buyer names the learners of the seats that he bought for others.

Allowed: whoever has a link that we signed and that is not too old; and the log-in that bought the order. Who took part
in an order without buying it is not let in. GET shows, POST with a CSRF token writes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from elevate_integration.events import event, get_logger
from elevate_integration.seat_forms import SeatForm, read
from elevate_integration.seats import OpenSeat, is_buyer, name_seats, open_seats, read_link

logger = get_logger(__name__)

View = Callable[..., HttpResponse]


def _private(view: View) -> View:
    """Keep a page out of caches and search engines, and its address, which lets people in, on this site.

    `same-origin` and not `no-referrer`: with the latter browsers send `Origin: null` with a form, which Django refuses.
    """

    @wraps(view)
    def answer(request: HttpRequest, **named: str) -> HttpResponse:
        try:
            response = view(request, **named)
        except (Http404, DatabaseError):
            raise
        except Exception:
            logger.exception(
                "The page that names learners could not be shown.", extra=event("elevate.seats.failed")
            )
            response = _closed(request, "away", status=503)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return never_cache(csrf_protect(require_http_methods(["GET", "HEAD", "POST"])(answer)))


@_private
def by_link(request: HttpRequest, ticket: str) -> HttpResponse:
    """For the holder of a signed link; with one that is too old, still for the log-in that bought the order."""
    link = read_link(ticket)
    if link is None:
        return _closed(request, "forged", status=403)
    if link.expired and not is_buyer(request.user, link.order_ref):
        return _closed(request, "expired", status=403, order_ref=link.order_ref)
    return _page(request, link.order_ref)


@login_required
@_private
def by_buyer(request: HttpRequest, order_ref: str) -> HttpResponse:
    """For the log-in that bought the order; for any other there is no such page."""
    if not is_buyer(request.user, order_ref):
        raise Http404
    return _page(request, order_ref)


def _page(request: HttpRequest, order_ref: str) -> HttpResponse:
    seats = open_seats(order_ref)
    data = request.POST if request.method == "POST" else None
    forms = [SeatForm(seat, data) for seat in seats if not seat.sent]
    if data is not None:
        names = read(forms, besides=[seat for seat in seats if seat.sent])
        late = any(_is_late(seat, data) for seat in seats)
        if names is not None:
            named = name_seats(order_ref, names, by=request.user.get_username())
            late = late or bool(named.left)
            return HttpResponseRedirect(f"{request.path}?{'late' if late else 'saved'}")
    shown = {
        "order_ref": order_ref,
        "places": [(seat, next((form for form in forms if form.seat is seat), None)) for seat in seats],
        "forms": forms,
        "wrong": data is not None,
        "saved": data is None and "saved" in request.GET,
        "late": data is None and "late" in request.GET,
    }
    return render(request, "elevate_integration/seats.html", shown)


def _is_late(seat: OpenSeat, data: Any) -> bool:
    """Whether a page that stood open for long names another learner for a seat that was sent meanwhile."""
    typed = data.get(f"{seat.key}-email")
    return seat.sent and typed is not None and typed.strip() != seat.name.email


def _closed(request: HttpRequest, why: str, *, status: int, order_ref: str = "") -> HttpResponse:
    page = reverse("elevate_integration:seats_of_order", args=[order_ref]) if order_ref else ""
    return render(request, "elevate_integration/seats_closed.html", {"why": why, "page": page}, status=status)
