"""What is guaranteed names the tests that show it, and each of them is there."""

from __future__ import annotations

import re

import pytest

from elevate_integration.models import (
    Attempt,
    DeliveryState,
    OrderMark,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
)
from tests.docs.blocks import ROOT, pages
from tests.docs.test_blocks import assert_test_exists

_TEST = re.compile(r"`(tests/[\w/]+\.py::\w+)`")


def rows(page: str) -> list[str]:
    """Give the rows of the tables of a page whose head says that tests are named."""
    found, named = [], False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            named = False
        elif "shown by" in line:
            named = True
        elif named and not line.startswith("| ---"):
            found.append(line)
    return found


@pytest.mark.parametrize(
    "name", sorted({name for page in pages() for name in _TEST.findall(page.read_text(encoding="utf-8"))})
)
def test_every_test_that_a_page_names_exists(name):
    assert_test_exists(name)


@pytest.mark.parametrize(
    ("page", "least"), [("docs/guarantees.md", 25), ("docs/explanation/failures.md", 25)]
)
def test_every_promise_and_every_failure_names_a_test(page, least):
    found = rows(page)
    assert len(found) >= least
    assert [row for row in found if not _TEST.search(row)] == []


def test_a_test_that_is_gone_is_noticed():
    with pytest.raises(AssertionError, match="has no test_nobody_wrote_this"):
        assert_test_exists("tests/test_marks.py::test_nobody_wrote_this")


def test_the_tables_of_the_architecture_page_exist():
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    section = page.split("## Tables", 1)[1].split("\n## ", 1)[0]
    ours = (Attempt, DeliveryState, OrderMark, ProductMapping, Registration, TrackedOrder, UnmappedSale)
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == {one.__name__ for one in ours}
