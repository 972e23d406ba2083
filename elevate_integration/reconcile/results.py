"""What a comparison with Elevate's report comes to, for whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


class Busy(Exception):  # noqa: N818 - named by what it means
    """Somebody else is comparing with this Elevate site now; try again when he is done."""


@dataclass(frozen=True)
class DayDone:
    """How the comparison of one day went.

    message: why it could not be read, `""` when it was. there: Elevate's registrations of that day. settled:
    registrations whose lost answer was found in the report. differences: those of that day that wait for staff.
    beside: why a day beside it could not be read, so that nothing was called missing; `""` when both were.
    kinds: the differences by kind, as in `Discrepancy.Kind`.
    """

    day: date
    message: str = ""
    there: int = 0
    settled: int = 0
    differences: int = 0
    beside: str = ""
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        """Whether Elevate's report of that day was read to its end."""
        return not self.message


@dataclass
class Run:
    """What one run did. stopped: why it ended before its last day, `""` when it did not. left: days not reached."""

    days: list[DayDone] = field(default_factory=list)
    stopped: str = ""
    left: int = 0

    @property
    def unread(self) -> list[DayDone]:
        """The days that could not be read, or not with the days beside them."""
        return [done for done in self.days if not done.is_read or done.beside]

    @property
    def is_complete(self) -> bool:
        """Whether every day was reached, and read with the days beside it."""
        return not self.stopped and not self.unread
