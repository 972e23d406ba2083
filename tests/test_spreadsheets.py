"""What a spreadsheet would run is told from plain text, for every file that people open in one."""

from __future__ import annotations

import pytest

from elevate_integration.staff.spreadsheets import is_formula


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20A1"],
)
def test_what_begins_like_a_formula_is_one(text):
    assert is_formula(text)


@pytest.mark.parametrize("text", ["", "Ada", "1", "'=1", " a", "ada@example.org", "a-b", "é"])
def test_plain_text_is_none(text):
    assert not is_formula(text)
