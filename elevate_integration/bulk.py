"""Writes a group of changed rows with one UPDATE. Knows columns, and nothing of what they mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from django.db import connections, models, transaction
from django.db.models import Case, Value, When

from elevate_integration.plans import planned_once


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

    def _to_write(self) -> tuple[list[models.Model], list[str]]:
        """Give the rows that differ from before, and every field in which one of them does."""
        changed = self._changed()
        return [self.rows[position] for position in changed], sorted(set().union(*changed.values()))

    def changed_rows(self) -> list[Any]:
        """Give the rows that differ from before."""
        return self._to_write()[0]

    def write(self, using: str, *, noting: bool = False) -> None:
        """Write what changed: one UPDATE for the group, none when nothing did.

        noting: give each row that was written a `version`, for `write_unless_changed`. Without effect but on PostgreSQL.
        """
        rows, names = self._to_write()
        if rows:
            update(rows, names, using, noting=noting)

    def write_unless_changed(self, using: str) -> set[Any]:
        """Write those rows that nobody has written since their `version` was noted, without reading them again.

        Only on PostgreSQL, and only with rows that have a version. Gives the primary keys of those that were written.
        """
        rows, names = self._to_write()
        if not rows:
            return set()
        told = _write(rows, names, using, fenced=True)
        return {pk for pk, _ in told}


def update(rows: Sequence[models.Model], names: Sequence[str], using: str, *, noting: bool = False) -> None:
    """Write these fields of these rows with one UPDATE. noting: as `Changes.write` has it.

    PostgreSQL takes what all rows have in common as parameters and the rest as one JSON text, read there as a table:
    that costs Python little. The other databases get a case for each row, many rows in several parts.
    """
    if connections[using].vendor != "postgresql":
        _write_by_cases(rows, names, using)
        return
    told = dict(_write(rows, names, using))
    if noting:
        for row in rows:
            # Absent where the row is gone meanwhile.
            row.__dict__["version"] = told.get(row.pk, "")


def _write(
    rows: Sequence[models.Model], names: Sequence[str], using: str, *, fenced: bool = False
) -> list[Any]:
    """Run the UPDATE, and give the key and the version of each row that was written."""
    model = type(rows[0])
    common, own = _common(rows, names)
    statement = _update_statement(model, tuple(common), own, using, fenced=fenced)
    parameters: list[Any] = [_parameter(value) for value in common.values()]
    if own or fenced:
        parameters.append(_as_json(rows, [*own, "pk"], fenced=fenced))
    return _run(statement, [*parameters, [row.pk for row in rows]], using)


def _write_by_cases(rows: Sequence[models.Model], names: Sequence[str], using: str) -> None:
    """Run the UPDATE as Django's `bulk_update` would, but for what all rows have in common: it needs no case."""
    model = type(rows[0])
    common, own = _common(rows, names)
    fields = [_field(model, name) for name in own]
    size = connections[using].ops.bulk_batch_size([model._meta.pk, model._meta.pk, *fields], list(rows))
    with transaction.atomic(using=using, savepoint=False):
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            cases = {field.name: _case(part, field) for field in fields}
            found = model._default_manager.using(using).filter(pk__in=[row.pk for row in part])
            found.update(**common, **cases)


def _case(rows: Iterable[models.Model], field: Any) -> Case:
    def value(row: models.Model) -> Value:
        given = getattr(row, field.attname)
        # Without its type: a JSON column would get JSON's null, and is empty by SQL's.
        return Value(None) if given is None else Value(given, output_field=field)

    return Case(*(When(pk=row.pk, then=value(row)) for row in rows), output_field=field)


def _common(rows: Sequence[models.Model], names: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give what all rows have in common, and the names of the other fields."""
    common = {}
    for name in names:
        attribute = _field(type(rows[0]), name).attname
        values = [getattr(row, attribute) for row in rows]
        if values.count(values[0]) == len(values):
            common[name] = values[0]
    return common, tuple(name for name in names if name not in common)


def _parameter(value: Any) -> Any:
    """Give a value as PostgreSQL reads it for any type of column."""
    if isinstance(value, list | dict):
        return json.dumps(value, default=str)
    return value if value is None else str(value)


def insert(rows: Sequence[models.Model], using: str) -> None:
    """Insert these rows with one INSERT, as they stand: on PostgreSQL no `auto_now` is filled in.

    They get their primary keys where the database tells them.
    """
    model = type(rows[0])
    if connections[using].vendor != "postgresql":
        model._default_manager.using(using).bulk_create(rows)
        return
    names = [field.name for field in model._meta.concrete_fields if not field.primary_key]
    told = _run(_insert_statement(model, tuple(names), using), [_as_json(rows, names)], using)
    for row, (pk,) in zip(rows, told, strict=True):
        row.pk = pk


def _as_json(rows: Sequence[models.Model], names: Sequence[str], *, fenced: bool = False) -> str:
    attributes = [(name, _field(type(rows[0]), name).attname) for name in names]
    if fenced:
        attributes.append(("version", "version"))
    given = [{name: getattr(row, attribute) for name, attribute in attributes} for row in rows]
    # `str` writes times, UUIDs and amounts as PostgreSQL reads them.
    return json.dumps(given, default=str)


def _run(statement: str, parameters: Sequence[Any], using: str) -> list[Any]:
    connection = connections[using]
    with planned_once(connection), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[Any] = cursor.fetchall()
    return found


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


@lru_cache(maxsize=500)
def _update_statement(
    model: type[models.Model], common: tuple[str, ...], own: tuple[str, ...], using: str, *, fenced: bool
) -> str:
    quote = connections[using].ops.quote_name
    table, key = quote(model._meta.db_table), quote(_field(model, "pk").column)
    sets = ", ".join(
        (
            *(f"{quote(_field(model, name).column)} = %s" for name in common),
            *(f"{quote(_field(model, name).column)} = given.{quote(name)}" for name in own),
        )
    )
    given = fence = ""
    if own or fenced:
        given = f" FROM {_given(model, (*own, 'pk'), using, *(('version xid',) if fenced else ()))}"
        fence = f" AND {table}.{key} = given.pk"
    if fenced:
        # Every UPDATE gives a row another `xmin`, and a lock gives it none: PostgreSQL's manual, "System Columns".
        fence += f" AND {table}.xmin = given.version"
    # The keys once more: the planner does not know how many rows the text holds, and would read a small table whole.
    return (
        f"UPDATE {table} SET {sets}{given} WHERE {table}.{key} = ANY(%s){fence}"  # noqa: S608
        f" RETURNING {table}.{key}, {table}.xmin::text"
    )


@cache
def _insert_statement(model: type[models.Model], names: tuple[str, ...], using: str) -> str:
    quote = connections[using].ops.quote_name
    columns = ", ".join(quote(_field(model, name).column) for name in names)
    values = ", ".join(quote(name) for name in names)
    table, key = quote(model._meta.db_table), quote(_field(model, "pk").column)
    given = _given(model, names, using)
    return f"INSERT INTO {table} ({columns}) SELECT {values} FROM {given} RETURNING {key}"  # noqa: S608


def _given(model: type[models.Model], names: Sequence[str], using: str, *further: str) -> str:
    connection = connections[using]
    columns = (
        f"{connection.ops.quote_name(name)} {_field(model, name).rel_db_type(connection)}" for name in names
    )
    types = ", ".join((*columns, *further))
    return f"json_to_recordset(%s) AS given({types})"
