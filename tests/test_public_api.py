"""What hosts may build on changes only by a decision: the list of it is written down, and held against the code."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import re

import pytest

from elevate_integration.orders.source import OrderSource
from tests.docs.blocks import blocks
from tests.public_api import NAMES, PACKAGE, decided, names, surface


def test_the_public_api_is_what_was_decided():
    written, now = decided().splitlines(), surface().splitlines()
    change = "\n".join(difflib.unified_diff(written, now, "decided", "now", lineterm="", n=1))
    assert not change, (
        f"If that is meant: `python -m tests.public_api`, and a line in the changelog.\n{change}"
    )


def test_a_changed_signature_is_noticed(monkeypatch):
    def snapshot(self, order_ref: str, more: int = 0) -> None:
        """Ask for more than it did."""

    monkeypatch.setattr(OrderSource, "snapshot", snapshot)
    assert surface() != decided()
    assert "snapshot(self, order_ref: str, more: int = 0) -> None" in surface()


def test_a_removed_name_is_noticed(monkeypatch):
    monkeypatch.delattr("elevate_integration.marks.order_changed")
    with pytest.raises(AttributeError):
        surface()


@pytest.mark.parametrize("module", names())
def test_everything_public_says_what_it_does(module):
    path = f"{PACKAGE}.{module}".rstrip(".")
    found = importlib.import_module(path)
    assert found.__doc__
    for name in NAMES[module]:
        thing = getattr(found, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name


def test_the_documentation_has_hosts_import_nothing_else():
    public = {f"{PACKAGE}.{module}".rstrip(".") for module in NAMES} | {f"{PACKAGE}.models"}
    told: dict[str, str] = {}
    for block in blocks():
        if block.language == "python":
            for found in re.findall(rf"^\s*from ({PACKAGE}[\w.]*) import (.+)$", block.text, re.MULTILINE):
                told[str(block)] = found[0]
                names = [name.strip() for name in found[1].split(" as ")[0].split(",")]
                listed = NAMES.get(found[0].removeprefix(PACKAGE).lstrip("."), ())
                if found[0] not in (PACKAGE, f"{PACKAGE}.models") and found[0] in public:
                    assert set(names) <= set(listed), f"{block}: {names}"
    assert told
    assert {where: module for where, module in told.items() if module not in public} == {}
