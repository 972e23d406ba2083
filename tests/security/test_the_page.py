"""`docs/security.md` names a test for each thing that was tried, and every test of this room stands in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TRIED = [
    line
    for part in PAGE.split("## ")
    if "| tried |" in part
    for line in part.splitlines()
    if line.startswith("| ") and not line.startswith(("| tried", "| ---"))
]


def test_everything_that_was_tried_names_a_test() -> None:
    assert len(TRIED) > 35
    assert [line for line in TRIED if not _TEST.search(line)] == []


@pytest.mark.parametrize(("path", "name"), sorted(set(_TEST.findall(PAGE))))
def test_a_test_that_the_page_names_is_there(path: str, name: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_what_bandit_knows_is_explained() -> None:
    known = json.loads((ROOT / ".ci" / "bandit.json").read_text(encoding="utf-8"))["results"]
    assert known
    rows = [line for line in PAGE.splitlines() if re.match(r"\| B\d+,", line)]
    explained = {
        (rule, Path(name).name)
        for row in rows
        for rule in re.findall(r"^\| (B\d+)", row)
        for name in re.findall(r"`([\w/]+\.py)`", row)
    }
    assert explained == {(one["test_id"], Path(one["filename"]).name) for one in known}
