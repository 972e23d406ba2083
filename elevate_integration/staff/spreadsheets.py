"""What a spreadsheet makes of a cell: text that begins like a formula would be run (OWASP, "CSV injection")."""

from __future__ import annotations

# ASCII, its full-width forms, and the blanks that spreadsheets pass over.
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n")


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet would run a cell with this text."""
    return text[:1] in _FORMULA and text != ""
