"""Tables in MyST."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table. Cells may hold any text; what would end a cell or a row is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(one) for one in line) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Write text as it may stand in a cell."""
    return " ".join(str(text).split()).replace("|", "\\|")
