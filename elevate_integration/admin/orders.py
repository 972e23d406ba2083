"""The orders that were looked at, above all those that could not be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import marks, staff
from elevate_integration.admin import show
from elevate_integration.admin.base import StaffPage, may, record, tell_reasons, who
from elevate_integration.models import TrackedOrder

_AT_ONCE = 100


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


class TrackedOrderAdmin(StaffPage):
    """Orders, when they were last read, and why one could not be."""

    list_display = ("order_ref", "in_store", "first_synced_at", "failures", "last_error")
    list_filter = (FailedFilter,)
    search_fields = ("order_ref",)
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ("resync",)

    @admin.display(description=_("in the store"))
    def in_store(self, tracked: TrackedOrder) -> str:
        """Link the order's page in the store."""
        return show.order(tracked.order_ref)

    def has_resync_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may resync."""
        return may(request, "resync_order")

    @admin.action(description=_("Resync"), permissions=["resync"])
    def resync(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Read the chosen orders again. Changes nothing that the order does not say, so it is not asked first."""
        orders = list(queryset.order_by("pk"))
        refs = [tracked.order_ref for tracked in orders]
        record(request, orders, _("Resync."))
        if len(refs) > _AT_ONCE:
            for ref in refs:
                marks.order_changed(ref)
            self.message_user(request, _("The orders are read in the background."), messages.SUCCESS)
            return
        results = staff.resync(refs, actor=who(request))
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
