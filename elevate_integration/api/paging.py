"""Pages by cursor: the millionth row costs as much as the first, and nothing is counted."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

MOST = 200


class Pages(CursorPagination):
    """The newest first. `page_size` chooses how many."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = MOST

    def get_page_size(self, request: Request) -> int | None:
        """Read the wished size. Raises ValidationError unless it is a number from 1 to 200."""
        wished = request.query_params.get(self.page_size_query_param)
        if wished is None:
            return self.page_size
        if not (wished.isascii() and wished.isdigit() and len(wished) < 5 and 1 <= int(wished) <= MOST):
            text = _("Use a number from 1 to %(most)s.") % {"most": MOST}
            raise ValidationError({self.page_size_query_param: [text]})
        return int(wished)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Say so in the schema."""
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": MOST}
        return parameters
