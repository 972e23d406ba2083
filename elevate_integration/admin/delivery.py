"""Delivery as a whole: is it running, and if not, why; pause, resume, clear the alarm."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from elevate_integration import overview, staff
from elevate_integration.admin import show
from elevate_integration.admin.base import (
    APP,
    ListOnlyPage,
    address,
    may,
    must,
    must_post,
    record,
    render,
    who,
)
from elevate_integration.admin.overview import SEES_DELIVERY, history
from elevate_integration.clock import database_now
from elevate_integration.conf import conf
from elevate_integration.models import DeliveryState, Registration, database
from elevate_integration.words import GATES, STATUSES

_HISTORY = 20
_ACTS = {"pause": staff.pause, "resume": staff.resume, "clear_alarm": staff.clear_alarm}
_SAID = {
    "pause": _("Delivery is paused."),
    "resume": _("Delivery goes on."),
    "clear_alarm": _("The alarm is cleared."),
}
_RECORDED = {
    "pause": _("Paused delivery."),
    "resume": _("Resumed delivery."),
    "clear_alarm": _("Cleared the alarm."),
}
_SAID_ALREADY = {
    "pause": _("Delivery was paused already."),
    "clear_alarm": _("There was no alarm any more."),
}


class DeliveryStateAdmin(ListOnlyPage):
    """One page, as there is one delivery."""

    seen_by = SEES_DELIVERY

    def get_urls(self) -> list[Any]:
        """Add the three acts."""
        act = self.admin_site.admin_view(self.act_view)
        return [
            path("act/<slug:name>/", act, name="elevate_integration_deliverystate_act"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page in place of a list with one row."""
        must(self.has_view_permission(request))
        state = staff.delivery_state()
        now = database_now(database())
        return render(
            self,
            request,
            "deliverystate/page.html",
            title=_("Delivery"),
            state=state,
            gate=GATES.get(state.gate, state.gate),
            needs_worker=overview.is_silent(state, now, conf().dispatcher),
            dispatcher=conf().dispatcher,
            elevate=conf().url,
            counts=self._counts(),
            oldest_due=show.moment(Registration.objects.oldest_due()),
            parked=Registration.objects.parked().count(),
            registrations=address(self, "changelist", model="registration"),
            may_act=may(request, "pause_delivery"),
            act_urls={name: address(self, "act", name) for name in _SAID},
            history=history(_HISTORY),
        )

    def _counts(self) -> list[tuple[Any, str, str]]:
        counted = overview.by_status()
        return [
            (word, str(status), overview.number_words(counted[status], overview.COUNTED_AT_MOST))
            for status, word in STATUSES.items()
            if counted.get(status)
        ]

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Pause, resume or clear the alarm."""
        refused = must_post(request)
        if refused is not None:
            return refused
        if name not in _SAID:
            raise Http404
        must(self.has_view_permission(request) and may(request, "pause_delivery"))
        if _ACTS[name](actor=who(request)) is False:
            self.message_user(request, _SAID_ALREADY[name], messages.WARNING)
        else:
            record(request, DeliveryState.objects.filter(pk=staff.delivery_state().pk), _RECORDED[name])
            self.message_user(request, _SAID[name], messages.SUCCESS)
        return HttpResponseRedirect(self._back(request))

    def _back(self, request: HttpRequest) -> str:
        if "overview" in request.POST:
            return reverse("admin:app_list", args=[APP], current_app=self.admin_site.name)
        return address(self, "changelist")
