"""The long forms of `tests/faults`, not part of the default run: `pytest -s tests/slow` prints what they counted."""

from __future__ import annotations
