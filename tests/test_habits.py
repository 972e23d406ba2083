"""What keeps the house in order does what it says: hooks, changelog, ceilings, versions."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from types import ModuleType

import pytest

from elevate_integration import __version__
from tests.host import ROOT

yaml = pytest.importorskip("yaml")

CHECKS = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_hook_is_local_and_runs_what_the_checks_run():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    for hook in hooks:
        command = hook["entry"].replace(" --force-exclude", "")
        assert re.search(rf'^section "[^"]*" {re.escape(command)}( \.)?$', CHECKS, re.MULTILINE), command


def test_one_command_sets_everything_up():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert text.count("pre-commit install") == 1
    (command,) = re.findall(r"^python3 -m venv .*$", text, re.MULTILINE)
    tools = " ".join(PYPROJECT["project"]["optional-dependencies"]["dev"])
    assert "-e '.[dev]'" in command
    for tool in ("nox", "twine", "pre-commit", "mypy", "ruff", "build"):
        assert tool in tools


def test_the_changelog_has_the_known_form():
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    released = [
        re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", heading) for heading in headings[1:]
    ]
    assert all(released), headings
    versions = [tuple(int(part) for part in one[1].split(".")) for one in released if one]
    assert versions == sorted(versions, reverse=True)
    dates = [one[2] for one in released if one]
    assert dates == sorted(dates, reverse=True)
    # What is at hand is not older than what was released.
    assert not versions or tuple(int(part) for part in __version__.split(".")) >= versions[0]


def test_the_changelog_sorts_by_kind_each_once_and_in_order():
    for section in re.split(r"^## .*$", CHANGELOG, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert kinds
        assert all(KINDS.index(one) < KINDS.index(other) for one, other in pairwise(kinds)), kinds


@pytest.fixture(scope="module")
def ceilings() -> ModuleType:
    """The script that counts what the tools are asked to overlook."""
    spec = importlib.util.spec_from_file_location("ceilings", ROOT / ".ci" / "ceilings.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OVERLOOKED = '''
"""Speaks of # noqa and # type: ignore, asks for neither."""
import pytest
from unittest import skipIf

skip = 1  # NOQA: A001
ignored = skip + "x"  # type: ignore[operator]
if skip:  # pragma: no branch
    pytest.skip("why")

@pytest.mark.skipif(skip, reason="why")
def test_one():
    module = pytest.importorskip("module")

@skipIf(skip, "why")
def test_two():
    pass
'''


def test_what_is_overlooked_is_counted_and_what_is_only_spoken_of_is_not(ceilings, tmp_path):
    (tmp_path / "module.py").write_text(OVERLOOKED, encoding="utf-8")
    found = sorted(kind for kind, _ in ceilings.overlooked(tmp_path / "module.py"))
    assert found == ["no_cover", "noqa", "skips", "skips", "skips", "skips", "type_ignore"]


def test_above_a_ceiling_the_check_fails_and_names_every_place(ceilings, monkeypatch, capsys, tmp_path):
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "ceilings.toml").write_text("[tests]\nskips = 3\nnoqa = 1\n", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "module.py").write_text(OVERLOOKED, encoding="utf-8")
    monkeypatch.setattr(ceilings, "ROOT", tmp_path)
    monkeypatch.setattr(ceilings, "PLACES", {"tests": ("tests",)})
    assert ceilings.main() == 1
    told = capsys.readouterr().out
    assert re.search(r"skips +4 of +3 +TOO MANY", told)
    assert "tests/module.py:9\n" in told
    assert re.search(r"noqa +1 of +1$", told, re.MULTILINE)


def test_no_ceiling_is_far_above_what_there_is():
    told = subprocess.run(
        [sys.executable, ".ci/ceilings.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    for number, ceiling in re.findall(r"(\d+) of +(\d+)", told.stdout):
        assert int(ceiling) - int(number) <= 5, told.stdout


def test_the_promised_versions_are_the_tested_ones():
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert PYPROJECT["project"]["requires-python"] == ">=" + min(
        re.findall(r'"(3\.\d+)"', text), key=lambda version: int(version.split(".")[1])
    )
    django = next(one for one in PYPROJECT["project"]["dependencies"] if one.startswith("Django"))
    assert django == "Django>=" + min(re.findall(r'^    "(\d\.\d)": \(', text, re.MULTILINE))


@pytest.mark.parametrize("kind", ["noqa", "type: ignore"])
def test_whatever_is_overlooked_says_which_rule(kind):
    bare = re.compile(rf"#\s*{kind}\s*$" if kind == "noqa" else r"#\s*type:\s*ignore(?!\[)")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("elevate_integration", "example_project", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "test_habits.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if bare.search(line)
    ]
    assert found == []
