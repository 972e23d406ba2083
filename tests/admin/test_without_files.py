"""The admin without django-import-export: the same pages, no buttons for files."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys
sys.modules["import_export"] = None
from django.conf import settings
import tests.settings
tests.settings.INSTALLED_APPS.remove("import_export")
import django
django.setup()
from django.contrib import admin
from elevate_integration.models import ProductMapping
page = admin.site.get_model_admin(ProductMapping)
assert page.transfer_links(None) == {}
names = {url.name for url in page.get_urls()}
assert "elevate_integration_productmapping_sheet" in names
assert "elevate_integration_productmapping_import" not in names
"""


def test_the_admin_works_without_the_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
