"""The page of second registrations at Elevate for one seat, reached from the list of registrations.

Allowed: who may see registrations; to cancel the chosen ones, who holds `cancel_registration` besides.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import overview, staff
from elevate_integration.admin import show
from elevate_integration.admin.base import address, may, must, record, render, who
from elevate_integration.admin.cancel_form import CancelManyForm, last_texts
from elevate_integration.conf import conf
from elevate_integration.lifecycle import LIVE
from elevate_integration.staff.duplicates import Duplicate

_CHOSEN_AT_MOST = 2000


def duplicates_view(page: Any, request: HttpRequest) -> HttpResponse:
    """List them; on POST ask about the chosen ones, and once that is confirmed have them cancelled."""
    must(page.has_view_permission(request))
    may_cancel = may(request, "cancel_registration")
    must(may_cancel or request.method != "POST")
    # More names than fit the page cannot come from it.
    chosen = (
        staff.duplicates(request.POST.getlist("chosen")[:_CHOSEN_AT_MOST]) if request.method == "POST" else []
    )
    confirmed = request.POST if "confirm" in request.POST else None
    form = CancelManyForm(confirmed, number=len(chosen), initial=last_texts(request)) if chosen else None
    if form is not None and confirmed is not None and form.is_valid():
        return _cancel(page, request, chosen, form.cleaned_data)
    if confirmed is not None and not chosen:
        return _cancel(page, request, [], {})
    shown = [
        (one, overview.product_of(one.row), show.learner(one.row), show.order(one.row.order_ref), show.day(one.answered_at),
         address(page, "change", one.row.pk), one.row.at_elevate in LIVE)
        for one in chosen or staff.duplicates()
    ]  # fmt: skip
    return render(
        page,
        request,
        "registration/duplicates.html",
        title=_("Duplicates at Elevate"),
        back=address(page, "changelist"),
        shown=shown,
        may_cancel=may_cancel,
        form=form,
        cancels_per_hour=conf().cancels_per_hour,
    )


def _cancel(page: Any, request: HttpRequest, chosen: list[Duplicate], given: dict[str, Any]) -> HttpResponse:
    texts = {name: value for name, value in given.items() if name != "number"}
    made = staff.cancel_duplicates([one.name for one in chosen], actor=who(request), **texts)
    record(request, made, _("Cancel the duplicate."))
    text = ngettext(
        "%(number)s duplicate is cancelled at Elevate as soon as possible.",
        "%(number)s duplicates are cancelled at Elevate as soon as possible.",
        len(made),
    )
    level = messages.SUCCESS if made else messages.WARNING
    page.message_user(request, text % {"number": len(made)}, level)
    return HttpResponseRedirect(address(page, "duplicates"))
