"""Tells how much of the package the tests have run, lines and branches, and fails where it is less than promised.

`python .ci/covered.py DATA` reads what `coverage run` left in files whose names begin with DATA, and prints each file
of which something was not run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from coverage import Coverage

PACKAGE = "elevate_integration/"
# What loses or doubles a registration if it is wrong.
WHOLE = ("lifecycle.py", "sync.py", "delivery/", "elevate/")
LEAST = 95.0


def measured(data: str) -> dict[str, dict[str, float]]:
    """Combine the data of all runs, and give the figures of each file by its path in the package."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        together = Coverage(data_file=str(Path(folder) / "combined"))
        together.combine(runs(data), keep=True)
        together.report()
        together.json_report(outfile=str(out))
        files = json.loads(out.read_text())["files"]
    return {path.removeprefix(PACKAGE): figures["summary"] for path, figures in files.items()}


def runs(data: str) -> list[str]:
    """Give the files that the runs left."""
    path = Path(data)
    found = sorted(map(str, path.parent.glob(f"{path.name}*")))
    if not found:
        raise SystemExit(f"No run has left anything at {data}.")
    return found


def too_little(files: dict[str, dict[str, float]]) -> list[str]:
    """Say of which files less was run than promised."""
    found = []
    for path, figures in sorted(files.items()):
        least = 100.0 if path.startswith(WHOLE) else LEAST
        if figures["percent_covered"] < least:
            found.append(f"{path}: {figures['percent_covered']:.1f} %, promised are {least:.0f} %")
    return found


def main() -> int:
    """Print the figures; 1 when a file falls short."""
    files = measured(sys.argv[1])
    for rooms in (WHOLE, ("",)):
        of = [figures for path, figures in files.items() if path.startswith(rooms)]
        run = sum(figures["covered_lines"] + figures["covered_branches"] for figures in of)
        there = sum(figures["num_statements"] + figures["num_branches"] for figures in of)
        print(f"{', '.join(rooms) or 'the package'}: {100 * run / max(there, 1):.2f} %")
    short = too_little(files)
    print(*short, sep="\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
