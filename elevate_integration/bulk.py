"""Writes a group of changed rows with one UPDATE. Knows columns, and nothing of what they mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models


class Changes:
    """Remembers how rows were, and later writes only the columns in which any of them differs.

    names: the fields that may change. Rows must be saved already, and all of one model.
    """

    def __init__(self, rows: Sequence[models.Model], names: Iterable[str]) -> None:
        self.rows = rows
        self.names = tuple(names)
        self._before = [self._values(row) for row in rows]

    def _values(self, row: models.Model) -> list[Any]:
        return [getattr(row, name) for name in self.names]

    def _changed(self) -> dict[int, set[str]]:
        """Give the positions of the rows that differ from before, each with the fields in which it does."""
        found = {}
        for position, (row, before) in enumerate(zip(self.rows, self._before, strict=True)):
            pairs = zip(self.names, before, self._values(row), strict=True)
            if different := {name for name, old, new in pairs if old != new}:
                found[position] = different
        return found

    def changed_rows(self) -> list[Any]:
        """Give the rows that differ from before."""
        return [self.rows[position] for position in self._changed()]

    def write(self, using: str) -> None:
        """Write what changed: one UPDATE for the group, none when nothing did."""
        changed = self._changed()
        if changed:
            update(
                [self.rows[position] for position in changed], sorted(set().union(*changed.values())), using
            )


def update(rows: Sequence[models.Model], names: Sequence[str], using: str) -> None:
    """Write these fields of these rows with one UPDATE.

    PostgreSQL takes a column as one array (measured: 13 us a row against 355 us for `bulk_update`); the other
    databases get Django's own `bulk_update`.
    """
    if connections[using].vendor != "postgresql":
        type(rows[0])._default_manager.using(using).bulk_update(rows, list(names))
        return
    _update_from_arrays(rows, names, using)


def _update_from_arrays(rows: Sequence[models.Model], names: Sequence[str], using: str) -> None:
    connection: Any = connections[using]
    meta: Any = type(rows[0])._meta
    quote = connection.ops.quote_name
    columns, arrays = ["id"], [f"%s::{meta.pk.rel_db_type(connection)}[]"]
    parameters: list[Any] = [[row.pk for row in rows]]
    sets = []
    for number, field in enumerate(meta.get_field(name) for name in names):
        is_json = isinstance(field, models.JSONField)
        columns.append(f"c{number}")
        arrays.append(f"%s::{'text' if is_json else field.db_type(connection)}[]")
        sets.append(f"{quote(field.column)} = given.c{number}{'::jsonb' if is_json else ''}")
        parameters.append([_value(field, row, connection, is_json=is_json) for row in rows])
    pk_column, table = quote(meta.pk.column), quote(meta.db_table)
    statement = (
        f"UPDATE {table} SET {', '.join(sets)} FROM unnest({', '.join(arrays)}) "  # noqa: S608
        f"AS given({', '.join(columns)}) WHERE {table}.{pk_column} = given.id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _value(field: Any, row: models.Model, connection: Any, *, is_json: bool) -> Any:
    value = getattr(row, field.attname)
    if is_json:
        return None if value is None else json.dumps(value)
    value = field.get_db_prep_save(value, connection)
    # A str subclass (an enumeration) is no text to psycopg.
    return str(value) if isinstance(value, str) else value
