"""The faults that the fake Elevate plays on demand, from the list that it plays them by."""

from __future__ import annotations

import re

from elevate_docs.tables import table
from elevate_integration.testing import faults


def text() -> str:
    """Write the table of faults."""
    seen = dict(re.findall(r"^\| (\w+) \| (?:yes|no) \| (.*?) \|", faults.__doc__ or "", re.MULTILINE))
    rows = [
        (f"`{name}`", "yes" if kind.stores else "no", seen[name], _options(kind))
        for name, kind in faults.FAULT_KINDS.items()
    ]
    return table(("Fault", "Stores first", "What the client sees", "Options"), rows)


def _options(kind: faults.FaultKind) -> str:
    return ", ".join(f"`{name}={value!r}`" for name, value in kind.defaults.items())
