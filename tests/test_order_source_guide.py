"""The guide for writing an order source says what is true: its shop, settings and tests are run as they stand there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from elevate_integration.orders.description import OrderFields
from tests.host import Host

GUIDE = (Path(__file__).parent.parent / "docs" / "order-source.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))

_SETTINGS = """
from elevate_settings import ELEVATE

INSTALLED_APPS = [*[app for app in INSTALLED_APPS if app != "tests.plainshop"], "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
_OWN_CLASS = 'ELEVATE = {**ELEVATE, "ORDER_SOURCE": "shop.elevate.ShopOrders"}\n'


def shop(folder: Path, settings: str = "") -> Host:
    """Write the guide's shop into a project."""
    host = Host(folder, settings=_SETTINGS + settings, environment={"TEST_DATABASE_URL": ""})
    for name, text in FILES.items():
        host.write(name, text)
    host.write("shop/__init__.py", "")
    return host


def test_the_guide_has_a_whole_shop():
    assert set(FILES) == {"shop/models.py", "elevate_settings.py", "shop/tests.py", "shop/elevate.py"}


@pytest.mark.parametrize("settings", ["", _OWN_CLASS, "USE_TZ = False\n"])
def test_the_guides_shop_keeps_the_contract(tmp_path, settings):
    ended = shop(tmp_path, settings).manage("test", "shop")
    assert ended.returncode == 0, ended.stderr
    ran = re.search(r"Ran (\d+) tests", ended.stderr)
    assert ran, ended.stderr
    assert int(ran[1]) > 25
    assert "skipped=1)" in ended.stderr, ended.stderr


def test_the_guides_shop_passes_the_check_and_its_typo_is_told_as_shown(tmp_path):
    host = shop(tmp_path)
    sound = host.manage("check")
    assert "ORDER_FIELDS" not in sound.stderr
    host.write(
        "elevate_settings.py", FILES["elevate_settings.py"].replace('"USER": "buyer"', '"USER": "byer"')
    )
    told = re.search(r"```text\n(.*?)\n```", GUIDE, re.DOTALL)
    assert told
    assert told[1] in host.manage("check").stderr


def test_the_table_names_every_key():
    section = GUIDE.split("| key | begins at |", 1)[1].split("\n\n", 1)[0]
    named = {
        key for row in section.splitlines() for key in re.findall(r"`([A-Z_]+)`", row.split("|")[1:2][0])
    }
    assert named == {field.name.upper() for field in fields(OrderFields)}


@pytest.mark.parametrize(
    "key",
    [
        "models.UUIDField(primary_key=True, default=uuid.uuid4)",
        "models.CharField(primary_key=True, max_length=36, default=lambda: f'Ä/{uuid.uuid4().hex[:20]}')",
        "models.BigAutoField(primary_key=True)",
    ],
    ids=["uuid", "char", "big"],
)
def test_orders_with_another_kind_of_key_keep_the_contract(tmp_path, key):
    host = shop(tmp_path)
    models = FILES["shop/models.py"].replace(
        "class Order(models.Model):\n", f"class Order(models.Model):\n    id = {key}\n"
    )
    host.write("shop/models.py", "import uuid\n" + models)
    ended = host.manage("test", "shop")
    assert ended.returncode == 0, ended.stderr
    assert "skipped=1)" in ended.stderr, ended.stderr
