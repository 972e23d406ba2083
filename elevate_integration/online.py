"""Index operations for our later migrations that leave a store selling: concurrent on PostgreSQL, plain elsewhere.

Django's own `AddIndexConcurrently` is for PostgreSQL only, and its module needs psycopg. CONTRIBUTING.md says when.
"""

from __future__ import annotations

from typing import Any

from django.db import NotSupportedError, migrations
from django.db.migrations.operations.base import Operation


class _Concurrently(Operation):
    # A concurrent build cannot be rolled back, so it stands in no transaction: the migration says `atomic = False`.
    atomic = False
    model_name: str

    def _apply(self, schema_editor: Any, state: Any, app_label: str, *, add: bool, index: Any) -> None:
        model = state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        change = schema_editor.add_index if add else schema_editor.remove_index
        if schema_editor.connection.vendor != "postgresql":
            change(model, index)
            return
        if schema_editor.connection.in_atomic_block:
            raise NotSupportedError(f"{type(self).__name__} needs `atomic = False` in its migration.")
        if add:
            # One that was broken off left an index behind that is not used and is written all the same.
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(index.name)}")
        change(model, index, concurrently=True)


class AddIndexOnline(_Concurrently, migrations.AddIndex):
    """Build an index while the table is read and written."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build it. Raises NotSupportedError inside a transaction on PostgreSQL."""
        self._apply(schema_editor, to_state, app_label, add=True, index=self.index)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it again."""
        self._apply(schema_editor, from_state, app_label, add=False, index=self.index)


class RemoveIndexOnline(_Concurrently, migrations.RemoveIndex):
    """Drop an index while the table is read and written."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it. Raises NotSupportedError inside a transaction on PostgreSQL."""
        index = from_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        self._apply(schema_editor, from_state, app_label, add=False, index=index)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build it again."""
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        self._apply(schema_editor, to_state, app_label, add=True, index=index)
