"""Every module says in its first lines what it is for, and no file is so long that it is about more than one thing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.host import ROOT

LINES = 400
# What our code may be longer for. A file that has become short again has to leave the list.
LONG = {
    "elevate_integration/conf.py": "One setting a line, with its help text; what reads them stands beside them.",
    "elevate_integration/models.py": "Django looks for tables here; most lines are columns and indexes.",
    "elevate_integration/sync.py": "One transaction, step by step: apart, the steps would hand ten values to each other.",
    "elevate_integration/admin/mappings.py": "One page class: its list and files are in modules of their own already.",
    "elevate_integration/orders/oscar.py": "All that we know of django-oscar, to be read beside it.",
    "elevate_integration/orders/tendenci.py": "All that we know of Tendenci, to be read beside it.",
    "elevate_integration/testing/contract.py": "One test class: a host derives from it, and sees every test in one place.",
}  # fmt: skip
# Tests of one room are tables of cases; beyond this even they are about two rooms.
LINES_OF_TESTS = 700
LONG_TESTS = {
    "tests/admin/test_registrations.py": "The acts of one page, each with the page that asks, the doing and the telling.",
    "tests/test_sync.py": "The promises of one function, in the order of the architecture page.",
}

OURS = [p for folder in ("elevate_integration", "example_project") for p in (ROOT / folder).rglob("*.py")]
TESTS = [
    *(ROOT / "tests").rglob("*.py"),
    *(ROOT / ".ci").glob("*.py"),
    ROOT / "noxfile.py",
    ROOT / "manage.py",
]


def written(path: Path) -> bool:
    """Whether somebody writes this file: Django writes migrations."""
    return "migrations" not in path.parts


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in [*OURS, *TESTS] if written(path)], ids=name)
def test_the_first_lines_say_what_the_module_is_for(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    says = [
        node for node in module.body if not isinstance(node, ast.ImportFrom) or node.module != "__future__"
    ]
    if says:
        assert ast.get_docstring(module), f"{name(path)} says nothing about itself."


@pytest.mark.parametrize(
    ("paths", "most", "listed"),
    [(OURS, LINES, LONG), (TESTS, LINES_OF_TESTS, LONG_TESTS)],
    ids=["ours", "tests"],
)
def test_no_file_is_long_without_a_reason(paths, most, listed):
    lines = {name(p): len(p.read_text(encoding="utf-8").splitlines()) for p in paths if written(p)}
    long = {path: number for path, number in lines.items() if number > most}
    assert {path: number for path, number in long.items() if path not in listed} == {}
    assert listed.keys() <= long.keys(), "A file in the list is short now: take it out."
