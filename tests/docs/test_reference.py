"""The reference is what the code says: nothing of it is missing, and nothing is there that the code does not have."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.core.checks import CheckMessage
from elevate_docs import PARTS, api, checks, commands, floors, settings, signals, source, statuses, tables
from elevate_docs.code import worded

from elevate_integration import signals as our_signals
from elevate_integration import words
from elevate_integration.checks import check_settings
from elevate_integration.conf import KEYS
from elevate_integration.lifecycle import Status
from elevate_integration.orders.source import OrderSource
from elevate_integration.testing.faults import FAULT_KINDS
from tests import test_architecture
from tests.docs.blocks import ROOT, pages
from tests.test_readme import OUR_COMMANDS, shown


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_every_setting_is_there_once_with_its_default():
    text = settings.text()
    assert sorted(first_cells(text)) == sorted(KEYS)
    for key, field in KEYS.items():
        assert f"| `{key}` | `{shown(field.default)}` |" in text


def test_a_group_that_names_a_setting_which_is_gone_is_noticed(monkeypatch):
    monkeypatch.setitem(settings.GROUPS, "Delivery", ("THREADS", "FIBRES"))
    with pytest.raises(KeyError, match="FIBRES"):
        settings.grouped()


def test_every_command_is_there_with_every_option():
    text = commands.text()
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == OUR_COMMANDS
    for name in OUR_COMMANDS:
        section = text.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0]
        for action in commands.own_actions(name):
            assert all(one in section for one in action.option_strings if one.startswith("--"))


def test_every_check_that_the_tests_see_is_there(settings):
    settings.ELEVATE = {"URL": "http://learn.example.org", "CA_BUNDLE": "/nowhere", "LEASE": 1}
    seen: list[CheckMessage] = check_settings(None)
    assert len(seen) > 4
    assert {str(one.id) for one in seen} <= {one.id for one in checks.found()}


def test_every_id_of_a_check_in_the_code_is_there():
    package = ROOT / "elevate_integration"
    source_text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    assert set(re.findall(r'id="(elevate\.[EWIC]\d+)"', source_text)) == {one.id for one in checks.found()}
    assert [one for one in checks.found() if not one.hint] == []


def test_every_signal_is_there_and_the_guide_says_the_same():
    found = signals.found()
    assert found.keys() == {name for name in vars(our_signals) if name.islower() and name[0] != "_"} - {
        "annotations"
    }
    guide = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    assert found == dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", guide, re.MULTILINE))


def test_every_status_is_there_and_every_situation_that_staff_can_read():
    assert list(dict.fromkeys(first_cells(statuses.text()))) == [str(status) for status in Status]
    resting = {words.situation_name(state) for state in statuses.states()}
    assert resting == words._SITUATIONS.keys() - {"open"}
    assert first_cells(statuses.problems()) == list(words.PROBLEMS)


def test_every_method_of_the_order_source_is_there():
    text = source.text().split("## OrderSource\n", 1)[1]
    methods = [name for name in vars(OrderSource) if callable(getattr(OrderSource, name)) and name[0] != "_"]
    assert [name for name, _ in re.findall(r"^### (\w+)( \(needed\))?$", text, re.MULTILINE)] == methods
    needed = re.findall(r"^### (\w+) \(needed\)$", text, re.MULTILINE)
    assert set(needed) == OrderSource.__abstractmethods__


def test_every_fault_is_there():
    assert first_cells(PARTS["faults"]()) == list(FAULT_KINDS)


def test_every_operation_of_the_api_is_there():
    document = api.document()
    named = re.findall(r"^## ([A-Z]+) (/\S+)$", api.text(), re.MULTILINE)
    operations = [(method.upper(), path) for path, ways in document["paths"].items() for method in ways]
    assert named == operations
    assert len(named) >= 13


def test_the_picture_has_every_room_of_the_map_on_its_floor():
    drawn = floors.floors()
    assert {room: floor for floor, rooms in drawn.items() for room in rooms} == {
        room: floor for room, floor in test_architecture.FLOORS.items() if room
    }
    assert drawn.keys() == floors.NAMES.keys()
    picture = floors.svg()
    boxes = re.findall(r'<rect x="(\d+)" y="\d+" width="(\d+)"', picture)
    assert len(boxes) == len([room for room in test_architecture.FLOORS if room]) + len(floors.NAMES)
    assert all(int(left) + int(width) <= floors.WIDTH for left, width in boxes)
    assert {room for room in test_architecture.FLOORS if room} <= set(re.findall(r">([^<]+)</text>", picture))


def test_every_table_is_there_and_says_what_it_is():
    text = PARTS["tables"]()
    ours = apps.get_app_config("elevate_integration").get_models()
    assert first_cells(text) == sorted(one.__name__ for one in ours)
    assert "|  |" not in text


def test_every_part_stands_on_a_page_and_every_page_names_a_part():
    named = [
        part
        for page in pages()
        for part in re.findall(r"^```\{elevate\} ([\w-]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert sorted(named) == sorted(PARTS)


def test_what_would_end_a_cell_does_not():
    assert tables.table(["a"], [["x | y\nz"]]) == "| a |\n| --- |\n| x \\| y z |\n"


def test_a_text_that_only_running_knows_is_dots():
    assert worded(None, {}) == "…"
