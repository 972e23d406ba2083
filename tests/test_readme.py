"""The README says what is true: commands, settings with their defaults, statuses, and an example that can be run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class

from elevate_integration.conf import KEYS
from elevate_integration.elevate.reports import ReportFields
from elevate_integration.importing import COLUMNS
from elevate_integration.lifecycle import Status
from elevate_integration.orders.source import OrderSource
from elevate_integration.testing import FakeElevate
from elevate_integration.testing.faults import FAULT_KINDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OUR_COMMANDS = {name for name, app in get_commands().items() if app == "elevate_integration"}


def rows(heading: str) -> list[list[str]]:
    """Give the cells of the first table after a heading, without its head."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def shown(default: Any) -> str:
    """Write a default as the table does."""
    if isinstance(default, ReportFields):
        default = {}
    if isinstance(default, frozenset):
        default = sorted(default)
    if isinstance(default, str | list):
        return json.dumps(default)
    return f"{default:g}" if isinstance(default, float) else repr(default)


def code(language: str) -> list[str]:
    """Give the code blocks of a language, without the indentation of the list they stand in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def test_the_table_names_every_setting_with_its_default_and_meaning_and_no_other():
    table = {key.strip("`"): (default.strip("`"), meaning) for key, default, meaning in rows("Settings")}
    assert table == {key: (shown(f.default), f.metadata["help"]) for key, f in KEYS.items()}


def test_every_setting_named_in_the_text_exists():
    named = set(re.findall(r"`\"?([A-Z][A-Z]+(?:_[A-Z]+)*)\"?(?:\": [^`]*)?`", README))
    elsewhere = {
        "ELEVATE",
        "INSTALLED_APPS",
        "DEFAULT_AUTO_FIELD",
        "ATOMIC_REQUESTS",
        "SILENCED_SYSTEM_CHECKS",
        "LICENSE",
        "MANAGERS",
        "OPTIONS",
    }
    assert named - elsewhere <= KEYS.keys()


def test_the_table_names_every_status_and_no_other():
    assert [row[0].strip("`") for row in rows("What the statuses mean")] == [str(status) for status in Status]


def test_the_table_names_every_permission_and_no_other():
    models = apps.get_app_config("elevate_integration").get_models()
    ours = {codename for model in models for codename, _ in model._meta.permissions}
    assert {row[0].strip("`") for row in rows("Staff")} == ours


def test_the_table_names_every_command_with_its_options_and_no_other():
    told = {row[0].strip("`").split()[0]: row[1] for row in rows("Commands")}
    assert told.keys() == OUR_COMMANDS
    for name, text in told.items():
        parser = load_command_class("elevate_integration", name).create_parser("manage.py", name)
        options = {o for action in parser._actions for o in action.option_strings if o.startswith("--")}
        common = {o for a in load_bare()._actions for o in a.option_strings}
        assert set(re.findall(r"--[a-z-]+", text)) == options - common


def load_bare() -> Any:
    """Give the parser of a command without options of its own."""
    from django.core.management.base import BaseCommand

    return BaseCommand().create_parser("manage.py", "bare")


def test_the_columns_of_the_import_are_the_real_ones():
    text = next(row[1] for row in rows("Commands") if "elevate_import" in row[0])
    assert [name for name in re.findall(r"`([a-z_]+)`", text) if name != "product_url"] == list(COLUMNS)


def test_the_example_source_is_a_whole_one():
    block = next(block for block in code("python") if "class ShopOrders" in block)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    source = names["ShopOrders"]()
    assert isinstance(source, OrderSource)
    assert [watch.sender for watch in source.watches()] == ["shop.Order", "shop.Line"] * 2


@pytest.mark.parametrize("block", code("python"))
def test_python_in_the_readme_compiles(block):
    compile(block, "README.md", "exec")


@pytest.mark.django_db(transaction=True)
def test_the_example_test_passes_with_a_shop(sell, settings):
    block = next(block for block in code("python") if "def test_a_paid_order_is_registered" in block)
    names: dict[str, Any] = {"pay_an_order": sell}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    with FakeElevate() as fake_elevate:
        names["test_a_paid_order_is_registered"](fake_elevate, settings)


def test_there_is_one_command_that_runs_the_tests():
    assert len(re.findall(r"^python3 -m venv .*bin/pytest$", README, re.MULTILINE)) == 1


def test_the_index_of_the_documentation_names_every_page():
    docs = ROOT / "docs"
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")} - {"README.md", "index.md"}
    pages = {page for page in pages if not page.startswith("front/")} | {
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    }
    index = (docs / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[([\w/-]+\.md)\]", index, re.MULTILINE)) == pages


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=str)
def test_every_link_to_a_file_leads_to_one(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_picture_is_shown_and_together_they_are_small():
    shown = {
        name
        for page in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"\(images/([\w-]+\.png)\)", page.read_text())
    }
    pictures = list((ROOT / "docs" / "images").glob("*"))
    assert {picture.name for picture in pictures} == shown
    assert sum(picture.stat().st_size for picture in pictures) < 1_500_000


def test_faults_and_files_named_in_the_text_exist():
    assert all(name in FAULT_KINDS for name in re.findall(r"\.fail\(\"(\w+)\"\)", README))
    paths = re.findall(r"`((?:elevate_integration|example_project)/[\w/]+\.py|LICENSE|\.ci/run)`", README)
    assert len(paths) >= 4
    assert all((ROOT / path).exists() for path in paths)
