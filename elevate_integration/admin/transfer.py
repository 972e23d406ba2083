"""Whether product mappings can be imported and exported: where the host has installed django-import-export."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest


class NoTransfer(admin.ModelAdmin):
    """The list without import and export."""

    def transfer_links(self, request: HttpRequest) -> dict[str, Any]:
        """Give no addresses."""
        return {}


if apps.is_installed("import_export"):
    from elevate_integration.admin.files import FileTransfer

    Transfer: Any = FileTransfer
else:
    Transfer = NoTransfer
