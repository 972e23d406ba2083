"""Writes the file of the version at hand: `python -m tests.released`, on the day of its release and never again."""

from __future__ import annotations

import sys

from elevate_integration import __version__
from tests.released import FOLDER
from tests.released.rows import at_hand

if (FOLDER / f"{__version__}.json").exists():
    sys.exit(f"{__version__} is released already: its rows stay as they are.")
release, statuses = at_hand()
sys.stdout.write(f"{release.save()}: {len(statuses)} registrations, {', '.join(sorted(set(statuses)))}\n")
