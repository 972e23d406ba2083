"""Our tables as plain values: written out, filled, and read back by whatever models a state of the migrations has."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.apps import apps as today
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.db.models.fields.json import JSONField

APP = "elevate_integration"
# By the column's kind, the more special ones first.
_VALUES: tuple[tuple[type[models.Field], Any], ...] = (
    (models.BooleanField, True),
    (models.DecimalField, Decimal("12.50")),
    (models.DateTimeField, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    (models.DateField, date(2026, 3, 29)),
    (models.UUIDField, uuid.UUID(int=7)),
    (JSONField, {"kept": ["Zoë", 7]}),
    (models.IntegerField, 7),
    (models.FloatField, 0.5),
    (models.EmailField, "zoe@example.org"),
    (models.CharField, "Zoë"),
    (models.TextField, "Zoë\nkept"),
)


def dump(apps: Any = today) -> str:
    """Give every row of ours, table by table, as JSON."""
    found = {
        model._meta.model_name: list(model._default_manager.order_by("pk").values()) for model in ours(apps)
    }
    return json.dumps(found, cls=DjangoJSONEncoder)


def ours(apps: Any = today) -> list[type[models.Model]]:
    """Give our models, those that others point to first."""
    left = list(apps.get_app_config(APP).get_models())
    sorted_models: list[type[models.Model]] = []
    while left:
        ready = [
            m
            for m in left
            if not {f.related_model for f in m._meta.concrete_fields if f.is_relation} & set(left)
        ]
        sorted_models += ready
        left = [model for model in left if model not in ready]
    return sorted_models


def fill_empty() -> None:
    """Write a row with something in every column into each table that has none."""
    for model in ours():
        if not model._default_manager.exists():
            model._default_manager.bulk_create([model(**_row(model))])


def _row(model: type[models.Model]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.is_relation:
            row[field.attname] = field.related_model._default_manager.values_list("pk", flat=True)[0]
        elif not field.primary_key:
            value = next(value for kind, value in _VALUES if isinstance(field, kind))
            row[field.attname] = field.choices[0][0] if field.choices else value
    return row


def restore(rows: dict[str, list[dict[str, Any]]], apps: Any) -> None:
    """Write rows into empty tables, exactly as they are, and let the next row of each get a number of its own."""
    for model in ours(apps):
        fields = {field.attname: field for field in model._meta.concrete_fields}
        for row in rows.get(model._meta.model_name, []):
            values = {name: fields[name].to_python(value) for name, value in row.items()}
            model._base_manager.bulk_create([model(**values)])
            # `auto_now` has written the time of this moment.
            model._base_manager.filter(pk=values["id"]).update(**values)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(_no_style(), ours(apps)):
            cursor.execute(statement)


def _no_style() -> Any:
    from django.core.management.color import no_style

    return no_style()
