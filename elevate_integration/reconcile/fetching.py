"""Elevate's report of one day: asked for politely, halved where it comes back cut, and read whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.errors import ReportUnreadable
from elevate_integration.elevate.reports import Report, ReportFields, ReportLine, ReportRequest
from elevate_integration.events import event, get_logger

logger = get_logger(__name__)

_SECOND = timedelta(seconds=1)
# Further from what was asked for than time zones can explain.
_FAR = timedelta(hours=27)
# Seconds: the least wait after being turned away, the longest that is worth waiting for, and how often a long wait
# renews the lease.
_LEAST = 1.0
_LONGEST = 900.0
_SLICE = 60.0
_TRIES = {"hurried": 6, "not_reached": 3, "cut_short": 2, "unreadable": 2}
# An answer that stops even for so short a time is not too large: something else is wrong.
_SHORT = timedelta(minutes=15)
_TEXT_LIMIT = 1000


class Stopped(Exception):  # noqa: N818 - named by what it means
    """Somebody asked the run to stop."""


class DayUnreadable(Exception):  # noqa: N818 - named by what it means
    """A day could not be read; its text says why. ends_run: the next day would end the same way."""

    def __init__(self, text: str, *, ends_run: bool = False) -> None:
        super().__init__(text)
        self.ends_run = ends_run


class _TooLarge(Exception):  # noqa: N818 - named by what it means
    """An answer that stopped before its end: half the time may fit."""


@dataclass(frozen=True)
class DayReport:
    """A day that was read to its end. read_at: when it was first asked for; UTC, without a zone."""

    lines: tuple[ReportLine, ...]
    read_at: datetime


@dataclass
class Fetcher:
    """Reads days, one call after another.

    pause: seconds between two calls; it grows when Elevate turns a call away. wait: sleeps so many seconds and tells
    whether to stop, as `Event.wait` does. keep: called before every call and during long waits; it may raise.
    """

    client: ElevateClient
    names: ReportFields
    pause: float
    wait: Callable[[float], bool]
    keep: Callable[[], None]
    calls: int = 0

    def day(self, day: date) -> DayReport:
        """Read a day. Raises DayUnreadable, Stopped, and what `keep` raises."""
        read_at = datetime.now(UTC).replace(tzinfo=None)
        lines: list[ReportLine] = []
        stretches = [(datetime.combine(day, time.min), datetime.combine(day, time(23, 59, 59)))]
        while stretches:
            since, until = stretches.pop()
            try:
                report = self._ask(since, until)
            except _TooLarge:
                stretches += _halves(since, until)
                continue
            if not report.cut:
                lines += report.lines
            elif since == until:
                raise DayUnreadable(
                    f"Elevate has {report.count} registrations at {since} and gives only {len(report.lines)} of them, so "
                    "this second cannot be read. Ask the vendor to raise the limit of reports."
                )
            else:
                stretches += _halves(since, until)
        return DayReport(tuple(lines), read_at)

    def _ask(self, since: datetime, until: datetime) -> Report:
        request = ReportRequest(since, until, self.names)
        tries: dict[str, int] = {}
        while True:
            if self.calls:
                self._sleep(self.pause)
            self.keep()
            self.calls += 1
            try:
                report = self.client.report(request)
            except ReportUnreadable as error:
                tries[error.trouble] = tries.get(error.trouble, 0) + 1
                self._after(error, tries[error.trouble], is_long=until - since > _SHORT)
                continue
            _check_times(report, since, until)
            return report

    def _after(self, error: ReportUnreadable, times: int, *, is_long: bool) -> None:
        """Wait as a failure asks for. Raises DayUnreadable or _TooLarge when asking again would not help."""
        logger.info(
            "A report could not be read (%s).",
            error.trouble,
            extra=event("elevate.report.unreadable", reason=error.trouble),
        )
        asked = error.retry_after or 0.0
        if times >= _TRIES.get(error.trouble, 1) or asked > _LONGEST:
            if error.trouble == "cut_short" and is_long:
                raise _TooLarge
            ends_run = error.concerns_every_report or error.trouble in ("hurried", "not_reached")
            raise DayUnreadable(_words(error), ends_run=ends_run)
        if error.trouble == "hurried":
            self.pause = max(self.pause, _LEAST) * 2
        # The pause before the next call is part of the wait.
        self._sleep(max(asked, self.pause * 2 ** (times - 1)) - self.pause)

    def _sleep(self, seconds: float) -> None:
        while seconds > 0:
            if self.wait(min(seconds, _SLICE)):
                raise Stopped
            seconds -= _SLICE
            if seconds > 0:
                self.keep()


def _halves(since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Halve a stretch, to the second; the earlier half comes last, and so off the stack first."""
    middle = since + timedelta(seconds=(until - since).total_seconds() // 2)
    return [(middle + _SECOND, until), (since, middle)]


def _words(error: ReportUnreadable) -> str:
    said = "; ".join(f"{name}: {text}" if name else text for name, text in error.messages)
    return (f"{error} Elevate says: {said}" if said else str(error))[:_TEXT_LIMIT]


def _check_times(report: Report, since: datetime, until: datetime) -> None:
    """Refuse an answer that is about other times than those asked for: it would make one line many."""
    for line in report.lines:
        at = line.transaction_at
        if at is not None and not since - _FAR <= at <= until + _FAR:
            raise DayUnreadable(
                "The report holds registrations of other days than the one asked for, so Elevate does not follow the "
                'filter. Look at "transaction_at" in REPORT_FIELDS.',
                ends_run=True,
            )
