"""Filters of the lists. A value that means nothing is an error and not ignored: silence would look like an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field

from elevate_integration.conf import in_host_zone
from elevate_integration.lifecycle import Obstacle, Status
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.querysets import IN_TROUBLE, TROUBLED, RegistrationQuerySet
from elevate_integration.words import STATUSES

_MOMENT = {"type": "string", "format": "date-time"}
_BIGGEST = 2**63 - 1
# Databases and time zones know no moment outside of these.
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


def waits_for_a_person(row: Registration) -> bool:
    """Tell of one row what `in_trouble` asks of many."""
    if row.status == Status.CANCELLING:
        return row.obstacle == Obstacle.PARKED
    return row.status in TROUBLED and row.due_at is None


class _MomentField(forms.CharField):
    """A moment of RFC 3339."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text.upper())
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or "T" not in text.upper():
            raise ValidationError(_("Use a moment with its time zone, such as 2026-01-31T09:00:00Z."))
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            moment = _FIRST if moment.year < 1000 else _LAST
        return in_host_zone(min(max(moment, _FIRST), _LAST))


@extend_schema_field(_MOMENT)
class MomentFilter(django_filters.Filter):
    """From or until a moment."""

    field_class = _MomentField


@extend_schema_field({"type": "boolean"})
class FlagFilter(django_filters.ChoiceFilter):
    """`true` or `false`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[("true", "true"), ("false", "false")], **kwargs)

    def filter(self, qs: QuerySet, value: Any) -> Any:
        """Filter by the boolean."""
        return super().filter(qs, value if value in (None, "") else value == "true")


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": _BIGGEST})
class KeyFilter(django_filters.Filter):
    """The key of a row."""

    field_class = forms.IntegerField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=_BIGGEST, **kwargs)


@extend_schema_field({"type": "string", "minLength": 1, "pattern": r"^[^\x00]+$"})
class TextFilter(django_filters.CharFilter):
    """A whole text, compared to the letter."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)


class StrictFilterSet(django_filters.FilterSet):
    """Filters that refuse an empty value too."""

    def get_form_class(self) -> Any:
        """Give a form that knows what was left empty."""
        names = list(self.base_filters)
        base: Any = super().get_form_class()

        class Form(base):
            def clean(self) -> Any:
                for name in names:
                    if name in self.data and self.data.get(name) == "":
                        self.add_error(name, _("This may not be empty."))
                return super().clean()

        return Form


class MappingFilters(StrictFilterSet):
    """Filters of the product mappings."""

    active = FlagFilter()
    not_for_elevate = FlagFilter()
    product_key = TextFilter(help_text="The product's key in the store.")
    remote_product_id = TextFilter()

    class Meta:
        model = ProductMapping
        fields: list[str] = []


class RegistrationFilters(StrictFilterSet):
    """Filters of the registrations. A learner is chosen by the user ID: an e-mail address has no place in a URL."""

    status = django_filters.MultipleChoiceFilter(
        choices=[(str(status), str(status)) for status in STATUSES], help_text="Any of these."
    )
    in_trouble = FlagFilter(method="_in_trouble", help_text="Whether it waits for a person.")
    mapping = KeyFilter(field_name="mapping_id", help_text="The key of a product mapping.")
    product_key = TextFilter(field_name="mapping__product_key", help_text="The product's key in the store.")
    remote_product_id = TextFilter()
    order_ref = TextFilter()
    learner = TextFilter(field_name="learner_key", help_text="The learner's user ID at Elevate.")
    created_from = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_to = MomentFilter(field_name="created_at", lookup_expr="lt")
    registered_from = MomentFilter(field_name="registered_at", lookup_expr="gte")
    registered_to = MomentFilter(field_name="registered_at", lookup_expr="lt")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")

    class Meta:
        model = Registration
        fields: list[str] = []

    def _in_trouble(self, rows: RegistrationQuerySet, name: str, value: Any) -> QuerySet:
        return rows.in_trouble() if value == "true" else rows.exclude(IN_TROUBLE)
