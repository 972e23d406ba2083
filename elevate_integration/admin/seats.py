"""The page on which staff name the learners of an order's seats, reached from a registration of the order.

Allowed: who may see registrations and holds `name_learner`; for seats whose learner Elevate may know already, who holds
`cancel_registration` besides, since the one before is cancelled then.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration.admin import show
from elevate_integration.admin.base import address, may, must, record, render, who
from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger
from elevate_integration.models import Registration
from elevate_integration.seat_forms import SeatForm, read
from elevate_integration.seats import assignment_url, has_named, name_seats, open_seats
from elevate_integration.wishes import NO_LEARNER

logger = get_logger(__name__)


def seats_url(page: admin.ModelAdmin, request: HttpRequest, row: Registration) -> str:
    """Give the address of the page from a registration; `""` where there is nothing to name, or the person may not."""
    if not may(request, "name_learner"):
        return ""
    waits = NO_LEARNER in row.problems.split(",")
    return address(page, "seats", row.pk) if waits or has_named(row.order_ref) else ""


def seats_view(page: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Show who takes which seat; write it on POST, record it in the history, and go back to the registration."""
    must(page.has_view_permission(request) and may(request, "name_learner"))
    row = page.get_object(request, str(pk))
    if row is None:
        raise Http404
    try:
        return _page(page, request, row)
    except DatabaseError:
        raise
    except Exception:
        logger.exception(
            "The seats of order %s could not be read or named.",
            row.order_ref,
            extra=event("elevate.seats.failed", order_ref=row.order_ref),
        )
        text = _("The order could not be read, and nothing was changed. Try again in a few minutes.")
        page.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(address(page, "change", row.pk))


def _page(page: Any, request: HttpRequest, row: Registration) -> HttpResponse:
    sent_too = may(request, "cancel_registration")
    seats = open_seats(row.order_ref)
    data = request.POST if request.method == "POST" else None
    forms = [SeatForm(seat, data) for seat in seats if sent_too or not seat.sent]
    if data is not None:
        names = read(forms, besides=[seat for seat in seats if seat.sent and not sent_too])
        if names is not None:
            named = name_seats(row.order_ref, names, by=who(request), sent_too=sent_too)
            _tell(page, request, row, named.saved, named.left)
            return HttpResponseRedirect(address(page, "change", row.pk))
    return render(
        page,
        request,
        "registration/seats.html",
        title=_("Name the learners of order %(order)s") % {"order": row.order_ref},
        order=show.order(row.order_ref),
        places=[(seat, next((form for form in forms if form.seat is seat), None)) for seat in seats],
        wrong=data is not None,
        link=_link(request, row.order_ref),
        days=conf().seat_link_days,
        back=address(page, "change", row.pk),
    )


def _tell(page: Any, request: HttpRequest, row: Registration, saved: Any, left: Any) -> None:
    if saved:
        rows = Registration.objects.filter(order_ref=row.order_ref, seat_key__in=saved).order_by("pk")
        record(request, [row, *(one for one in rows if one.pk != row.pk)], _("Named the learners of seats."))
        text = ngettext(
            "%(number)s seat has its learner; the order is read again as soon as possible.",
            "%(number)s seats have their learners; the order is read again as soon as possible.",
            len(saved),
        )
        page.message_user(request, text % {"number": len(saved)}, messages.SUCCESS)
    if left:
        text = ngettext(
            "%(number)s seat was left as it was: it was sent or is gone meanwhile.",
            "%(number)s seats were left as they were: they were sent or are gone meanwhile.",
            len(left),
        )
        page.message_user(request, text % {"number": len(left)}, messages.WARNING)
    if not saved and not left:
        page.message_user(request, _("Nothing was changed."), messages.INFO)


def _link(request: HttpRequest, order_ref: str) -> str:
    """The link for the buyer; `""` where the host does not include our pages."""
    try:
        return assignment_url(request, order_ref)
    except NoReverseMatch:
        return ""
