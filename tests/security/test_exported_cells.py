"""The file for Elevate's mass import, opened in a spreadsheet by the office."""

from __future__ import annotations

import csv
import io

import pytest

from elevate_integration import staff
from elevate_integration.models import Registration
from tests.rows import make_mapping, make_row

RUN = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    '=HYPERLINK("http://evil.example","x")',
]


@pytest.mark.django_db
@pytest.mark.parametrize("text", RUN)
def test_no_cell_of_the_mass_import_is_run_by_a_spreadsheet(settings, text):
    settings.ELEVATE = {**settings.ELEVATE, "MASS_IMPORT_COLUMNS": {"company": "product_title"}}
    mapping = make_mapping()
    make_row(mapping, firstname=text, lastname=text, product_title=text)
    make_row(mapping, email=text)
    exported = staff.export(Registration.objects.all())
    assert (len(exported.done), len(exported.left)) == (1, 1)
    (_, row) = csv.reader(io.StringIO(exported.content.decode(), newline=""))
    assert row[1:] == [f"'{text}"] * 3
