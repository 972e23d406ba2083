"""What is guaranteed names the tests that show it, and each of them is there."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import ROOT, pages
from tests.docs.test_blocks import assert_test_exists

_TEST = re.compile(r"`(tests/[\w/]+\.py::\w+)`")


def text_of(page: str) -> str:
    """Give the text of a page of the documentation."""
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", sorted({name for page in pages() for name in _TEST.findall(page.read_text(encoding="utf-8"))})
)
def test_every_test_that_a_page_names_exists(name):
    assert_test_exists(name)


def test_every_promise_has_tests_below_it():
    promised = text_of("guarantees.md").split("## What is not promised")[0]
    promises = re.split(r"^- ", promised, flags=re.MULTILINE)[1:]
    assert len(promises) > 25
    assert [one for one in promises if not _TEST.search(one)] == []


def test_every_failure_has_a_note_that_names_a_test():
    page = text_of("explanation/failures.md")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    failures = [line for line in rows if not line.startswith("| failure |")]
    assert len(failures) > 25
    named = [re.findall(r"^\| [^|]*\[\^(\d+)\] \|", line) for line in failures]
    notes = dict(re.findall(r"^\[\^(\d+)\]: (.*)$", page, re.MULTILINE))
    assert [number for (number,) in named] == list(notes)
    assert [note for note in notes.values() if not _TEST.search(note)] == []


def test_a_test_that_is_gone_is_noticed():
    with pytest.raises(AssertionError, match="has no test_nobody_wrote_this"):
        assert_test_exists("tests/test_marks.py::test_nobody_wrote_this")
