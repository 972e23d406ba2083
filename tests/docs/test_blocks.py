"""Every code block of the documentation works: what is Python runs, what is a command exists, what is data can be read."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from configparser import ConfigParser
from importlib.util import find_spec

import pytest
from django.core.management import get_commands, load_command_class
from django.template import engines

from elevate_integration.importing import COLUMNS
from tests.docs import blocks, python_blocks, shell
from tests.docs.blocks import ROOT, Block

ALL = blocks.blocks()
# What a snippet that has the word in it needs of the extras.
NEEDED = {
    "dispatchers.celery": "celery",
    "health_check": "health_check",
    "opentelemetry": "opentelemetry",
    "prometheus_client": "prometheus_client",
}


def run_python(block: Block) -> None:
    if any(word in block.text and find_spec(package) is None for word, package in NEEDED.items()):
        # Not every environment of the suite has every extra.
        compile(block.text, str(block), "exec")
        return
    python_blocks.run(block.text, str(block))


def check_shell(block: Block) -> None:
    ended = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    shell.check_all(block.text)


def check_cron(block: Block) -> None:
    for command in shell.cron(block.text):
        shell.check_all(command)


def check_unit(block: Block) -> None:
    # A unit of systemd or a program of supervisor: what it starts must exist.
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read_string(block.text)
    started = [
        value
        for section in parser.sections()
        for key, value in parser[section].items()
        if key in ("ExecStart", "command")
    ]
    assert started
    for line in started:
        shell.check_all(line)


def check_csv(block: Block) -> None:
    rows = list(csv.DictReader(io.StringIO(block.text)))
    assert rows
    assert set(COLUMNS) <= rows[0].keys()
    assert all(None not in row and None not in row.values() for row in rows)


def check_template(block: Block) -> None:
    engines["django"].from_string(block.text)


def check_json(block: Block) -> None:
    json.loads(block.text)


CHECKS: dict[str, Callable[[Block], None]] = {
    "python": run_python,
    "sh": check_shell,
    "console": check_shell,
    "cron": check_cron,
    "ini": check_unit,
    "csv": check_csv,
    "django": check_template,
    "json": check_json,
}


def language_of(block: Block) -> str:
    """Give the language; lines of cron and files of import have none that a highlighter knows."""
    if block.language not in ("", "text"):
        return block.language
    times = block.text.split()[:5]
    if len(times) == 5 and all(set(one) <= set("0123456789*/,-") for one in times):
        return "cron"
    return "csv" if block.text.startswith(",".join(COLUMNS)) else block.language


@pytest.mark.parametrize("block", [one for one in ALL if not (one.untested or one.tested_by)], ids=str)
def test_the_block_works(block, monkeypatch, db):
    monkeypatch.setitem(os.environ, "ELEVATE_API_KEY", "from-the-environment")
    language = language_of(block)
    assert language in CHECKS, (
        f"{block}: say what it is, or in a comment above it which test runs it, or why none does"
    )
    CHECKS[language](block)


@pytest.mark.parametrize("block", [one for one in ALL if one.tested_by], ids=str)
def test_a_block_with_a_test_of_its_own_names_one_that_exists(block):
    assert_test_exists(block.tested_by)


def assert_test_exists(name: str) -> None:
    """Look for `tests/test_x.py::test_y`."""
    path, _, function = name.partition("::")
    file = ROOT / path
    assert file.exists(), f"there is no {path}"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert function in names, f"{path} has no {function}"


def test_a_block_that_no_test_runs_says_why():
    assert [str(block) for block in blocks.untested() if len(block.untested.split()) < 3] == []


COMMAND = re.compile(r"`(?:python )?(manage\.py )?(elevate_\w+)((?: [^`]*)?)`")
OURS = {name for name, app in get_commands().items() if app == "elevate_integration"}


@pytest.mark.parametrize("page", blocks.pages(), ids=lambda page: page.name)
def test_a_command_named_in_a_sentence_exists_with_its_options(page):
    for managed, name, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
        # Fields, metrics and tags begin alike; what has options, or `manage.py` before it, is meant to be a command.
        if not managed and "--" not in rest and name not in OURS:
            continue
        assert name in OURS, f"there is no command {name}"
        parser = load_command_class("elevate_integration", name).create_parser("manage.py", name)
        options = {one for action in parser._actions for one in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, f"{name}{rest}"


def test_the_documentation_has_its_blocks():
    assert shutil.which("bash")
    assert len(ALL) > 60
    assert {"README.md", "docs/tutorial.md", "docs/members.md"} <= {block.page for block in ALL}


def test_a_command_that_does_not_exist_is_noticed():
    for line in (
        "python manage.py elevate_nothing",
        "python manage.py elevate_worker --twice",
        "python manage.py elevate_import",
        ".ci/run --most",
        "pip install 'django-elevate-integration[everything]'",
        "curl https://ams.example.org/api/v1/nothing/",
        "python -m elevate_integration.testing --no-such-switch",
        "frobnicate --now",
    ):
        with pytest.raises(AssertionError):
            shell.check_all(line)


def test_a_setting_or_a_method_that_does_not_exist_is_noticed():
    with pytest.raises(Exception, match="unknown key"):
        python_blocks.run('ELEVATE = {"URLL": "https://learn.example.org"}', "x")
    with pytest.raises(AssertionError, match="does not have"):
        python_blocks.run("class Mine(OrderSource):\n    def snapshoot(self, ref): ...\n", "x")
    with pytest.raises(
        AssertionError, match=r"there is no elevate_integration\.orders\.fields\.FieldsSource"
    ):
        python_blocks.run('ELEVATE = {"ORDER_SOURCE": "elevate_integration.orders.fields.FieldsSource"}', "x")
    with pytest.raises(ImportError):
        python_blocks.run("from elevate_integration.marks import order_was_changed", "x")


def test_blocks_are_found_with_their_marks():
    text = "1. A step:\n\n   <!-- untested: needs a site of\n   Elevate -->\n   ```sh\n   do it\n   ```\n"
    (found,) = blocks.blocks_of(text, "x.md")
    assert (found.language, found.text, found.line) == ("sh", "do it\n", 5)
    assert found.untested == "needs a site of Elevate"
