"""The tables, from the models and what each says of itself."""

from __future__ import annotations

from django.apps import apps

from elevate_docs.tables import table


def text() -> str:
    """Write the table of tables."""
    models = apps.get_app_config("elevate_integration").get_models()
    rows = [(f"`{one.__name__}`", (one.__doc__ or "").split("\n\n")[0]) for one in models]
    return table(("Table", "A row is"), sorted(rows))
