"""What keeps the list of registrations quick with a million rows: it never counts, reads or scans all of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.http import HttpRequest

from elevate_integration import staff
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
