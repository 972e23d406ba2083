"""Counts what the code asks the tools to overlook, and fails where there is more of it than `ceilings.toml` allows.

`python .ci/ceilings.py` prints the numbers; `--where` prints each place too.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The example project is the work of the house as the package is, and the checks' own scripts as the tests are.
PLACES = {
    "package": ("elevate_integration", "example_project"),
    "tests": ("tests", ".ci", "noxfile.py", "manage.py"),
}
COMMENTS = {
    "type_ignore": re.compile(r"#\s*type:\s*ignore\b|#\s*mypy:\s*(?:ignore|disable|allow)"),
    "noqa": re.compile(r"#\s*(?:ruff:\s*)?noqa\b", re.IGNORECASE),
    "no_cover": re.compile(r"#\s*pragma:\s*no\s*(?:cover|branch)\b"),
}
# pytest's and unittest's ways to leave a test out.
SKIPS = re.compile(
    r"(pytest\.(mark\.)?(skip|skipif|xfail|importorskip)|(unittest\.|self\.)?(SkipTest|skipTest|skipIf|skipUnless|expectedFailure))"
)


def overlooked(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the kind and the line of each thing that a file asks to overlook. Text inside strings is none."""
    with tokenize.open(path) as file:
        text = file.read()
    lines = iter(text.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        if token.type == tokenize.COMMENT:
            yield from (
                (kind, token.start[0]) for kind, sign in COMMENTS.items() if sign.search(token.string)
            )
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute | ast.Name) and SKIPS.fullmatch(ast.unparse(node)):
            yield "skips", node.lineno


def found(place: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the spot of everything overlooked in the files of one place."""
    for name in PLACES[place]:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for kind, line in sorted(overlooked(file)):
                yield kind, f"{file.relative_to(ROOT)}:{line}"


def untested_blocks() -> list[str]:
    """Give the code blocks of the documentation that no test runs, as the tests of the documentation count them."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.docs.blocks"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"The blocks of the documentation could not be counted:\n{ended.stderr}")
    return ended.stdout.splitlines()


def main() -> int:
    """Print the table; give 1 where a ceiling is exceeded."""
    ceilings = tomllib.loads((ROOT / ".ci" / "ceilings.toml").read_text(encoding="utf-8"))
    exceeded = 0
    for place, allowed in ceilings.items():
        spots = (
            [("untested_blocks", spot) for spot in untested_blocks()]
            if place == "docs"
            else list(found(place))
        )
        for kind, ceiling in allowed.items():
            here = [spot for found_kind, spot in spots if found_kind == kind]
            over = len(here) > ceiling
            exceeded += over
            print(
                f"{place:8} {kind.replace('_', ' '):16} {len(here):4} of {ceiling:4}{'   TOO MANY' if over else ''}"
            )
            if over or "--where" in sys.argv:
                print("".join(f"    {spot}\n" for spot in here), end="")
    return int(exceeded > 0)


if __name__ == "__main__":
    sys.exit(main())
