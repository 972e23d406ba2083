"""The orders that were looked at, above all those that could not be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import staff
from elevate_integration.admin import show
from elevate_integration.admin.acts import ACTS
from elevate_integration.admin.base import (
    address,
    may,
    must,
    must_post,
    record,
    render,
    tell_reasons,
    who,
)
from elevate_integration.admin.listing import LongListPage
from elevate_integration.models import TrackedOrder

_LISTED = 20


class FailedFilter(admin.SimpleListFilter):
    """Orders that could not be read."""

    title = _("reading")
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Give the one choice."""
        return [("yes", _("could not be read"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the orders with an error."""
        return queryset.exclude(last_error="") if self.value() == "yes" else queryset


class TrackedOrderAdmin(LongListPage):
    """Orders, when they were last read, and why one could not be."""

    list_display = ("order_ref", "in_store", "first_synced_at", "failures", "last_error")
    list_filter = (FailedFilter,)
    search_fields = ("order_ref",)
    actions = ("resync",)

    @admin.display(description=_("in the store"))
    def in_store(self, tracked: TrackedOrder) -> str:
        """Link the order's page in the store."""
        return show.order(tracked.order_ref)

    def has_resync_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may resync."""
        return may(request, "resync_order")

    def get_urls(self) -> list[Any]:
        """Add the page that asks before a resync and does it."""
        resync = self.admin_site.admin_view(self.resync_view)
        return [path("resync/", resync, name="elevate_integration_trackedorder_resync"), *super().get_urls()]

    @admin.action(description=_("Resync"), permissions=["resync"])
    def resync(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        """Lead to the page that asks. Nothing is done yet, whatever was posted."""
        orders = self.chosen_in_list(request, queryset)
        return self._ask(request, orders) if orders else HttpResponseRedirect(self.list_url(request))

    def resync_view(self, request: HttpRequest) -> HttpResponse:
        """Ask before the chosen orders are read again; read them when the page was confirmed."""
        refused = must_post(request)
        if refused is not None:
            return refused
        must(self.has_view_permission(request) and self.has_resync_permission(request))
        orders = self.chosen_on_page(request)
        if orders and "confirm" not in request.POST:
            return self._ask(request, orders)
        if orders:
            self._resync(request, orders)
        return HttpResponseRedirect(self.list_url(request))

    def _ask(self, request: HttpRequest, orders: list[TrackedOrder]) -> HttpResponse:
        listed = orders[:_LISTED]
        return render(
            self,
            request,
            "trackedorder/resync.html",
            title=_("Resync"),
            what=ACTS["resync"].what,
            number=len(orders),
            background=len(orders) > staff.RESYNCED_AT_ONCE,
            orders=[
                (show.order(one.order_ref), show.moment(one.first_synced_at), one.last_error)
                for one in listed
            ],
            more=len(orders) - len(listed),
            pks=",".join(str(one.pk) for one in orders),
            action=self.keep_filters(request, address(self, "resync")),
            back=self.list_url(request),
        )

    def _resync(self, request: HttpRequest, orders: list[TrackedOrder]) -> None:
        record(request, orders, _("Resync."))
        results = staff.resync_or_mark([tracked.order_ref for tracked in orders], actor=who(request))
        if results is None:
            self.message_user(request, _("The orders are read in the background."), messages.SUCCESS)
            return
        read = sum(not result.error for result in results)
        if read:
            text = ngettext("%(number)s order was read again.", "%(number)s orders were read again.", read)
            self.message_user(request, text % {"number": read}, messages.SUCCESS)
        tell_reasons(
            request,
            [(result.order_ref, result.error) for result in results if result.error],
            lambda n: ngettext(
                "%(number)s order could not be read: %(reason)s",
                "%(number)s orders could not be read: %(reason)s",
                n,
            ),
        )
