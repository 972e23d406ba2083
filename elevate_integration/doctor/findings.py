"""One thing that was looked at, and how bad a list of them is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OK, WARNING, ERROR = "ok", "warning", "error"
_ORDER = (OK, WARNING, ERROR)

# The first part of a code, and the heading that its findings stand under.
GROUPS = {
    "elevate": "Settings",
    "site": "The way to Elevate",
    "key": "The API key",
    "database": "Database",
    "store": "Store",
    "members": "Members",
    "products": "Products",
    "delivery": "Delivery",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    level: `ok`, `warning` or `error`. code: stays the same whatever was found, for monitoring. text: what was found.
    how: how that is known. mend: what to do, "" when all is well. data: numbers and names behind the text.
    """

    level: str
    code: str
    text: str
    how: str
    mend: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The heading."""
        return GROUPS[self.code.partition(".")[0]]


def worst(findings: Iterable[Finding]) -> str:
    """Give the worst level among findings; `ok` for none."""
    return max((one.level for one in findings), key=_ORDER.index, default=OK)


def host_asked(question: Callable[[], Any], code: str, what: str) -> Any:
    """Ask the host's own code; gives its answer, or the finding that it raised."""
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - whatever a host's code raises is the finding
        return Finding(
            ERROR,
            code,
            f"The order source raised {type(error).__name__}: {error}",
            f"{what} was called.",
            "Mend the order source; until then nothing is registered or cancelled.",
        )


def named(names: Iterable[str], number: int) -> str:
    """Write a list of names, of which there may be more than are shown."""
    shown = list(names)
    more = number - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def some(number: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{number} {one if number == 1 else many}"
