"""Filters of the registration list. They count nothing: a list of a million rows must open at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from elevate_integration.conf import in_host_zone
from elevate_integration.models import ProductMapping
from elevate_integration.words import STATUSES


class StatusFilter(admin.SimpleListFilter):
    """One status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Give every status."""
        return [(str(status), word) for status, word in STATUSES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows of the chosen status."""
        return queryset.filter(status=self.value()) if self.value() in STATUSES else queryset


class TroubleFilter(admin.SimpleListFilter):
    """What waits for a person."""

    title = _("needs a person")
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Give trouble, cancels that the brake holds back, and learners whose user ID changed."""
        return [
            ("yes", _("waits for a person")),
            ("parked", _("held back by the brake")),
            ("renamed", _("another user ID in the store")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep the chosen rows."""
        if self.value() == "yes":
            return queryset.in_trouble()
        if self.value() == "renamed":
            return queryset.under_another_id()
        return queryset.parked() if self.value() == "parked" else queryset


class ProductFilter(admin.SimpleListFilter):
    """One product mapping, chosen from a menu that stays small with hundreds of products."""

    title = _("product")
    parameter_name = "mapping"
    template = "admin/elevate_integration/filter_menu.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Give the mappings by title."""
        mappings = ProductMapping.objects.exclude(not_for_elevate=True).order_by("product_title", "pk")
        return [(str(mapping.pk), str(mapping)) for mapping in mappings]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows of the chosen mapping."""
        value = self.value() or ""
        return queryset.filter(mapping=value) if value.isascii() and value.isdigit() else queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Add what the menu's form must carry along."""
        for choice in super().choices(changelist):
            yield {
                **choice,
                "hidden": other_parameters(changelist, self.parameter_name),
                "name": self.parameter_name,
            }


class CreatedFilter(admin.ListFilter):
    """From one day to another, both included."""

    title = _("created")
    template = "admin/elevate_integration/filter_days.html"
    _names = ("created_from", "created_to")

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self._names:
            if name in params:
                value = params.pop(name)
                self.used_parameters[name] = value[-1] if isinstance(value, list) else value

    def has_output(self) -> bool:
        """Show it always."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Name the two days."""
        return list(self._names)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Give the two days and what the form must carry along."""
        yield {
            "first": self.used_parameters.get("created_from", ""),
            "last": self.used_parameters.get("created_to", ""),
            "hidden": other_parameters(changelist, *self._names),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows created between the two days. A day that is none is ignored."""
        first, last = (self._day(name) for name in self._names)
        if first is not None:
            queryset = queryset.filter(created_at__gte=in_host_zone(first))
        if last is not None:
            queryset = queryset.filter(created_at__lt=in_host_zone(last + timedelta(days=1)))
        return queryset

    def _day(self, name: str) -> datetime | None:
        try:
            day = parse_date(str(self.used_parameters.get(name, "")))
        except ValueError:
            return None
        return None if day is None else datetime(day.year, day.month, day.day)  # noqa: DTZ001


def other_parameters(changelist: ChangeList, *names: str) -> list[tuple[str, str]]:
    """Give the list's other parameters, so that a filter's form keeps them. The page number starts anew."""
    left_out = {*names, "p"}
    kept = changelist.filter_params.items()
    return [(key, value) for key, values in kept if key not in left_out for value in _texts(values)]


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list | tuple) else [str(values)]
