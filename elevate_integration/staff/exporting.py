"""Files for Elevate's *Mass Registration Import*, for the day its API is closed. Sends and writes nothing.

Elevate takes one CSV for each product, with the headers `email`, `firstname` and `lastname` to the letter (vendor's
article *Mass register / import*); further columns come from the setting MASS_IMPORT_COLUMNS.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from elevate_integration.conf import conf
from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import Registration
from elevate_integration.staff.spreadsheets import is_formula

if TYPE_CHECKING:
    from elevate_integration.words import Text

_OPEN = _("a call to Elevate is open; its answer comes first")
_NOT_WANTED = _("it is not wanted")
_THERE = _("Elevate has it, or may have it; a second registration would follow")
_NO_EMAIL = _("it has no e-mail address")
_ODD_EMAIL = _("its e-mail address would be a formula in a spreadsheet; register this learner by hand")


@dataclass(frozen=True)
class Export:
    """A file to download. done: keys of the rows in it. left: the rows that are not, with the reason."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    done: tuple[int, ...] = ()
    left: tuple[tuple[int, Text], ...] = ()


def exportable(row: Registration) -> Text:
    """Tell why a row cannot be exported; "" when it can."""
    if row.claim_token is not None:
        return _OPEN
    if not row.wanted:
        return _NOT_WANTED
    if row.at_elevate != AtElevate.ABSENT:
        return _THERE
    if not row.email:
        return _NO_EMAIL
    return _ODD_EMAIL if is_formula(row.email) else ""


def export(rows: Iterable[Registration]) -> Export:
    """Write one CSV for each product, and a zip when there are several.

    Names and further columns that a spreadsheet would run as a formula begin with an apostrophe instead. Addresses are
    never altered, as Elevate would register somebody else: such a row is left out.
    """
    kept: dict[int, list[Registration]] = {}
    left: list[tuple[int, Text]] = []
    for row in rows:
        reason = exportable(row)
        if reason:
            left.append((row.pk, reason))
        else:
            kept.setdefault(row.mapping_id, []).append(row)
    files = {_name(group[0]): _csv(group) for group in kept.values()}
    done = tuple(row.pk for group in kept.values() for row in group)
    if len(files) == 1:
        name, content = next(iter(files.items()))
        return Export(name, "text/csv; charset=utf-8", content, done, tuple(left))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return Export("mass-import.zip", "application/zip", packed.getvalue(), done, tuple(left))


def _csv(rows: list[Registration]) -> bytes:
    columns = conf().mass_import_columns or {}
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["email", "firstname", "lastname", *columns])
    for row in rows:
        further = [value(row) if callable(value) else getattr(row, value) for value in columns.values()]
        writer.writerow([row.email, *(_guarded(value) for value in (row.firstname, row.lastname, *further))])
    return text.getvalue().encode()


def _guarded(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if is_formula(text) else text


def _name(row: Registration) -> str:
    """Name a file by its product as it is titled in the store; the mapping's key keeps two of one title apart."""
    title = re.sub(r"[^\w-]+", "-", row.product_title or row.remote_product_id)[:60].strip("-")
    return f"{title or 'product'}-{row.mapping_id}.csv"
