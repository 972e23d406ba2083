"""Finds every code block of the documentation, and lists those that no test runs.

`python -m tests.docs.blocks` prints a line for each of them: where it is, and why. A comment above a block says
`<!-- untested: the reason -->`, or `<!-- tested by tests/test_x.py::test_y -->` where a test of its own runs it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
_MARK = re.compile(r"<!-- (?P<kind>untested:|tested by) (?P<what>[^>]*?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """One code block. untested: the reason why no test runs it; tested_by: the test of its own that does."""

    page: str
    line: int
    language: str
    text: str
    untested: str = ""
    tested_by: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Give every page of the documentation."""
    found = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if "_build" not in page.parts]


def blocks() -> list[Block]:
    """Give every code block of every page; directives of the site are none."""
    return [block for page in pages() for block in blocks_of(page.read_text(encoding="utf-8"), _name(page))]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """Yield the code blocks of one page."""
    for found in _FENCE.finditer(text):
        language = found["language"].strip()
        if language.startswith("{"):
            continue
        indent = found["indent"]
        code = re.sub(rf"^{indent}", "", found["text"], flags=re.MULTILINE)
        line = text.count("\n", 0, found.start()) + 1
        mark = _MARK.search(text[: found.start()])
        kind, what = (mark["kind"], " ".join(mark["what"].split())) if mark else ("", "")
        yield Block(
            page,
            line,
            language,
            code,
            untested=what if kind == "untested:" else "",
            tested_by=what if kind == "tested by" else "",
        )


def untested() -> list[Block]:
    """Give the blocks that no test runs."""
    return [block for block in blocks() if block.untested]


def main() -> None:
    """Print the blocks that no test runs."""
    sys.stdout.write("".join(f"{block}: {block.untested}\n" for block in untested()))


if __name__ == "__main__":
    main()
