"""What a later migration may not do to a table that has millions of rows while a store sells. See CONTRIBUTING.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from elevate_integration.online import AddIndexOnline, RemoveIndexOnline

APP = "elevate_integration"
# The tables that grow with a store's sales.
BIG = {"registration", "attempt", "trackedorder", "unmappedsale", "ordermark", "seatassignment"}
ONLINE = (AddIndexOnline, RemoveIndexOnline)
# Called once for the whole column, and the same for every row.
_EMPTY = (list, dict, str)


def faults(migration: migrations.Migration, before: ProjectState) -> Iterator[str]:
    """Yield what is wrong with a migration, given the state that it starts from. Asks no database."""
    online = [operation for operation in migration.operations if isinstance(operation, ONLINE)]
    if online and migration.atomic:
        yield "It builds an index online and is atomic."
    if online and len(online) < len(migration.operations):
        yield "It builds an index online and does something else beside."
    state = before.clone()
    for operation in migration.operations:
        if not operation.reversible:
            yield f"{_told(operation)} cannot be taken back."
        yield from _slow(operation, state)
        operation.state_forwards(APP, state)


def _slow(operation: Operation, state: ProjectState) -> Iterator[str]:
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from _slow(inner, state)
        return
    if isinstance(operation, migrations.RunPython | migrations.RunSQL):
        yield f"{_told(operation)} writes rows, or nobody knows what: that is the work of a command."
    model = getattr(operation, "model_name", "") or getattr(operation, "name", "")
    if model.lower() not in BIG:
        return
    match operation:
        case migrations.AddIndex() | migrations.RemoveIndex() if not isinstance(operation, ONLINE):
            yield f"{_told(operation)} stops writers: take AddIndexOnline or RemoveIndexOnline."
        case migrations.AddField():
            yield from _heavy_column(operation)
        case migrations.AlterField() if _column_changes(operation, state):
            yield f"{_told(operation)} may write the whole table anew."
        case migrations.AddConstraint() | migrations.AlterUniqueTogether() | migrations.AlterIndexTogether():
            yield f"{_told(operation)} reads the whole table while nobody may write."
        case migrations.RenameField() | migrations.RenameModel() | migrations.AlterModelTable():
            yield f"{_told(operation)} breaks the code that still runs."


def _heavy_column(operation: migrations.AddField) -> Iterator[str]:
    field: Any = operation.field
    if field.unique or field.db_index or field.is_relation:
        yield f"{_told(operation)} brings an index or a constraint in the same statement."
    made_for_each_row = field.has_default() and callable(field.default) and field.default not in _EMPTY
    given = field.has_default() or field.has_db_default()
    if (
        made_for_each_row
        or isinstance(getattr(field, "db_default", None), models.Func)
        or not (field.null or given)
    ):
        yield f"{_told(operation)} needs a value of its own for every row."


def _column_changes(operation: migrations.AlterField, state: ProjectState) -> bool:
    after = state.clone()
    operation.state_forwards(APP, after)
    old, new = (
        found.apps.get_model(APP, operation.model_name)._meta.get_field(operation.name)
        for found in (state, after)
    )
    return bool(connection.SchemaEditorClass(connection)._field_should_be_altered(old, new))


def _told(operation: Operation) -> str:
    return f"{type(operation).__name__} ({operation.describe()})"
