"""Rows that are found by their key."""

from __future__ import annotations

from typing import Any

from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.viewsets import GenericViewSet

from elevate_integration.api.base import ApiView

_BIGGEST = 2**63 - 1
_KEY = {"type": "integer", "minimum": 1, "maximum": _BIGGEST}
ID = OpenApiParameter("id", _KEY, OpenApiParameter.PATH, description="The row's key.")


class KeyedRows(ApiView, GenericViewSet):
    """For view sets whose rows have numbers for keys, and whose lists are filtered."""

    lookup_field = "pk"
    # What is no number leads nowhere.
    lookup_value_regex = "[0-9]+"
    filter_backends = [DjangoFilterBackend]

    def key(self) -> int:
        """Read the key in the path. Raises NotFound for what no key can be."""
        text: str = self.kwargs["pk"]
        if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= _BIGGEST):
            raise NotFound
        return int(text)

    def filter_queryset(self, queryset: Any) -> Any:
        """Filter lists only."""
        if self.action != "list":
            return queryset
        return super().filter_queryset(queryset)

    def get_object(self) -> Any:
        """Give the row that the path names."""
        self.key()
        return super().get_object()
