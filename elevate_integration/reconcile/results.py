"""What a comparison with Elevate's report comes to, for whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


class Busy(Exception):  # noqa: N818 - named by what it means
    """Somebody else is comparing with this Elevate site now; try again when he is done."""


@dataclass(frozen=True)
class DayDone:
    """How the comparison of one day went.

    message: why it could not be read, `""` when it was. there: Elevate's registrations of that day. settled:
    registrations whose lost answer was found in the report. differences: those of that day that wait for staff.
    """

    day: date
    message: str = ""
    there: int = 0
    settled: int = 0
    differences: int = 0

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
        """The days that could not be read."""
        return [done for done in self.days if not done.is_read]

    @property
    def is_complete(self) -> bool:
        """Whether every day was reached and read."""
        return not self.stopped and not self.unread
