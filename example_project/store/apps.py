"""The store app as Django sees it."""

from __future__ import annotations

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """Store."""

    name = "example_project.store"
    verbose_name = "Store"

    def ready(self) -> None:
        """Listen for the log-in of a visitor who has chosen a product."""
        from example_project.store import waiting

        waiting.connect()
