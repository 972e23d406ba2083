"""The page on which a member is forgotten on request, reached from any of the member's registrations.

Allowed: who may see registrations and holds `forget_member`. The history says that it was done, and not to whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import forgetting
from elevate_integration.admin import show
from elevate_integration.admin.base import address, may, must, record, render
from elevate_integration.forgetting import SeveralMembers, Tally
from elevate_integration.models import Registration
from elevate_integration.words import STATUSES

if TYPE_CHECKING:
    from elevate_integration.words import Text

_REASONS: dict[str, Text] = {
    forgetting.CALL_OPEN: _("a call to Elevate is open"),
    forgetting.DUPLICATE: _("a second registration at Elevate waits for a decision"),
    forgetting.LINKED: _("the member has another one of the product that is not finished"),
}


def forget_url(page: admin.ModelAdmin, request: HttpRequest, row: Registration) -> str:
    """Give the address of the page from a registration; `""` where nobody is known any more, or the person may not."""
    if not may(request, "forget_member") or not forgetting.has_learner(row):
        return ""
    return address(page, "forget", row.pk)


def forget_view(page: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Say what would be forgotten; forget on POST, record it in the history, and go back to the registration."""
    must(page.has_view_permission(request) and may(request, "forget_member"))
    row = page.get_object(request, str(pk))
    if row is None:
        raise Http404
    back = HttpResponseRedirect(address(page, "change", row.pk))
    if not forgetting.has_learner(row):
        page.message_user(request, _("The member was forgotten already."), messages.INFO)
        return back
    confirmed = request.method == "POST" and "confirm" in request.POST
    try:
        tally = forgetting.erase_learner_of(row, dry_run=not confirmed)
    except SeveralMembers:
        text = _(
            "Several members have this address. Open a registration with the user ID of the one who is meant."
        )
        page.message_user(request, text, messages.ERROR)
        return back
    if not confirmed:
        return _ask(page, request, row, tally)
    record(request, Registration.objects.filter(pk__in=tally.done).order_by("pk"), _("Forgot the member."))
    _tell(page, request, tally)
    return back


def _ask(page: Any, request: HttpRequest, row: Registration, tally: Tally) -> HttpResponse:
    return render(
        page,
        request,
        "registration/forget.html",
        title=_("Forget this member: are you sure?"),
        learner=show.learner(row),
        member=show.member(row),
        tally=tally,
        left=_left(tally),
        back=address(page, "change", row.pk),
    )


def _left(tally: Tally) -> list[tuple[int, Text]]:
    return [
        (number, _REASONS.get(reason) or STATUSES.get(reason, reason))
        for reason, number in tally.left.items()
    ]


def _tell(page: Any, request: HttpRequest, tally: Tally) -> None:
    text = ngettext(
        "%(number)s registration was forgotten.",
        "%(number)s registrations were forgotten.",
        tally.registrations,
    )
    page.message_user(request, text % {"number": tally.registrations}, messages.SUCCESS)
    if tally.passed_over:
        text = ngettext(
            "%(number)s registration is not finished and was passed over. Forget the member again when it is.",
            "%(number)s registrations are not finished and were passed over. Forget the member again when they are.",
            tally.passed_over,
        )
        page.message_user(request, text % {"number": tally.passed_over}, messages.WARNING)
