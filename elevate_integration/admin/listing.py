"""The long lists, of registrations and of orders: quick with a million rows, and acted upon in chosen rows.

They never count, read or scan all rows.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import SuspiciousOperation
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from elevate_integration import staff
from elevate_integration.admin.base import StaffPage, address
from elevate_integration.lifecycle import Obstacle

COUNTED_AT_MOST = 5000


class CappedPaginator(Paginator):
    """Counts up to a limit. What lies beyond is not paged through but filtered or searched for."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most `COUNTED_AT_MOST`."""
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:COUNTED_AT_MOST].count())


class RegistrationList(ChangeList):
    """The list, which knows of each covered row on the page which other order covers it."""

    def get_results(self, request: HttpRequest) -> None:
        """Read one page."""
        super().get_results(request)
        rows = list(self.result_list)
        by_row = staff.covering(row for row in rows if row.obstacle == Obstacle.COVERED)
        for row in rows:
            row.covered_by = by_row.get(row.pk)
        self.result_list = rows
        self.capped = self.result_count >= COUNTED_AT_MOST


class LongListPage(StaffPage):
    """A page with such a list, from which chosen rows are taken to a page that asks before anything is done."""

    ordering = ("-pk",)
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def chosen_in_list(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        """Give the rows chosen in the list; none, and say so, when they are gone or more than `COUNTED_AT_MOST`."""
        rows = list(queryset.order_by("pk")[: COUNTED_AT_MOST + 1])
        if len(rows) > COUNTED_AT_MOST:
            text = _("More than %(number)s were chosen. Filter the list and take fewer at a time.")
            self.message_user(request, text % {"number": COUNTED_AT_MOST}, messages.WARNING)
            return []
        return self._none_is_told(request, rows)

    def chosen_on_page(self, request: HttpRequest) -> list[Any]:
        """Give the rows that the page that asks names in `pks`; none, and say so, when none of them is there.

        Raises SuspiciousOperation for what no page of ours posts.
        """
        texts = [text for text in request.POST.get("pks", "").split(",") if text]
        if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
            raise SuspiciousOperation("The keys of rows are numbers.")
        rows = self.get_queryset(request).filter(pk__in=[int(text) for text in texts]).order_by("pk")
        return self._none_is_told(request, list(rows))

    def _none_is_told(self, request: HttpRequest, rows: list[Any]) -> list[Any]:
        if not rows:
            self.message_user(request, _("Nothing was chosen, or it is gone."), messages.WARNING)
        return rows

    def list_url(self, request: HttpRequest) -> str:
        """Give the address of the list as the person had filtered it."""
        return self.keep_filters(request, address(self, "changelist"))

    def keep_filters(self, request: HttpRequest, url: str) -> str:
        """Add the list's filters to an address."""
        filters = self.get_preserved_filters(request)
        return add_preserved_filters({"preserved_filters": filters, "opts": self.opts}, url)
