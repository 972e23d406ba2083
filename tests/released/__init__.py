"""What released versions left in the tables of a store: one JSON file each, loaded by the tests of the migrations.

`rows` are the columns of every table, `migration` is the last one of that version, `digests` are those of its migrations,
which are never edited again. `python -m tests.released` writes the file of the version at hand, on the day of its release.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
MIGRATIONS = FOLDER.parent.parent / "elevate_integration" / "migrations"


@dataclass(frozen=True)
class Release:
    """One released version, or the one at hand."""

    version: str
    migration: str
    digests: dict[str, str]
    rows: dict[str, list[dict[str, Any]]]

    def save(self, folder: Path = FOLDER) -> Path:
        """Write the file of this release."""
        path = folder / f"{self.version}.json"
        path.write_text(json.dumps(vars(self), indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return path


def released() -> list[Path]:
    """Give the files of all releases."""
    return sorted(FOLDER.glob("*.json"))


def load(path: Path) -> Release:
    """Read the file of a release."""
    return Release(**json.loads(path.read_text(encoding="utf-8")))


def digests() -> dict[str, str]:
    """Give the digest of every migration as it is now."""
    files = sorted(MIGRATIONS.glob("0*.py"))
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
