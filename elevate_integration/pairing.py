"""Which line of Elevate's report is which registration of ours. Pure: no Django, no I/O.

Elevate writes times by the wall clock of its site, and nobody says in which zone that is. So a line fits a call if any
zone on earth makes it fit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from elevate_integration.elevate.reports import ReportLine
from elevate_integration.lifecycle import LIVE, AtElevate

# How far a wall clock on earth is from UTC, and for how much clocks and a slow call may be off.
_BEHIND = timedelta(hours=12, minutes=15)
_AHEAD = timedelta(hours=14, minutes=15)


@dataclass(frozen=True)
class Stretch:
    """From when to when a call may have reached Elevate; UTC, written without a zone."""

    since: datetime
    until: datetime

    def fits(self, wall: datetime | None) -> bool:
        """Whether a report may show such a call under this time of its wall clock; one without a time always fits."""
        return wall is None or self.since - _BEHIND <= wall <= self.until + _AHEAD

    def days(self) -> set[date]:
        """The days of the report in which such a call may stand."""
        first, last = (self.since - _BEHIND).date(), (self.until + _AHEAD).date()
        return {first + timedelta(days=n) for n in range((last - first).days + 1)}


@dataclass(frozen=True)
class Proved:
    """What the IDs of the report may be taken for: the registration ID, and the user ID that we send."""

    ids: bool = False
    members: bool = False


NOTHING_PROVED = Proved()


@dataclass(frozen=True)
class Ours:
    """One registration of ours.

    emails: every address under which Elevate may know the learner, casefolded.
    is_answered: Elevate itself gave the registration ID in the answer to a call; nobody typed it, no report gave it.
    other_ids: IDs that it had before. duplicates: IDs that Elevate has for it beside its own.
    called: the call that registered it; None where that is not known. lost: the calls whose answer was lost.
    amount: what that call said was paid; None where that is not known.
    """

    pk: int
    remote_product_id: str
    user_id: str = field(default="", repr=False)
    emails: frozenset[str] = field(default=frozenset(), repr=False)
    at_elevate: AtElevate = AtElevate.PRESENT
    in_flight: bool = False
    was_there: bool = True
    registration_id: str = ""
    is_answered: bool = False
    other_ids: frozenset[str] = frozenset()
    duplicates: frozenset[str] = frozenset()
    called: Stretch | None = None
    lost: tuple[Stretch, ...] = ()
    amount: Decimal | None = None

    @property
    def is_live(self) -> bool:
        """Whether Elevate has it."""
        return self.at_elevate in LIVE

    @property
    def in_doubt(self) -> bool:
        """Whether an answer was lost, and no call is open that may bring another."""
        return self.at_elevate is AtElevate.MAYBE and not self.in_flight

    @property
    def may_be_there(self) -> bool:
        """Whether Elevate has it or may have it now."""
        return self.is_live or self.in_flight or self.at_elevate is AtElevate.MAYBE

    @property
    def places(self) -> int:
        """How many lines of the report it can stand for: one, and one for each ID that it had before."""
        return 1 + len(self.other_ids)


@dataclass(frozen=True, eq=False)
class Line:
    """A line of the report, and the day under which the report gave it. Two that say the same are still two."""

    day: date
    told: ReportLine

    @property
    def email(self) -> str:
        """The address as it is compared."""
        return self.told.email.strip().casefold()

    @property
    def product(self) -> str:
        """The Remote Product ID as it is compared."""
        return self.told.remote_product_id.strip().casefold()

    @property
    def at(self) -> str:
        """The time for sorting; `""`, the earliest, where the report gave none."""
        return self.told.transaction_at.isoformat() if self.told.transaction_at else ""


class Pairing:
    """Pairs the lines of some days with our registrations: by ID once that is proved, else by person and product.

    `rows_of[line]` tells what goes together; a line without rows is not in it.
    """

    def __init__(
        self, days: Mapping[date, Sequence[ReportLine]], rows: Iterable[Ours], proved: Proved
    ) -> None:
        self.proved = proved
        self.rows = list(rows)
        self.lines = _without_repeats(days)
        self.report_ids = {line.told.report_id for line in self.lines}
        self.rows_of: dict[Line, list[Ours]] = {}
        self._taken: Counter[int] = Counter()
        self._by_person: dict[tuple[str, str], list[Ours]] = defaultdict(list)
        for row in self.rows:
            for person in _names(row):
                self._by_person[(row.remote_product_id.strip().casefold(), person)].append(row)
        self._same: dict[Line, list[Ours]] = {line: self._find_same(line) for line in self.lines}
        self._peers: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in self.lines:
            for person in _names_of_line(line):
                self._peers[(line.product, person)].append(line)
        if proved.ids:
            self._pair_by_id()
        self._pair_by_person()
        paired = (row for rows in self.rows_of.values() for row in rows if row.is_live)
        self._seen_ids = {row.registration_id for row in paired}

    def same(self, line: Line) -> list[Ours]:
        """Give every registration of ours of this line's person and product."""
        return self._same[line]

    def peers(self, line: Line) -> list[Line]:
        """Give every line of this line's person and product, itself too, in the order of time."""
        found = {
            peer: None for person in _names_of_line(line) for peer in self._peers[(line.product, person)]
        }
        return sorted((peer for peer in found if self._is_same_learner(peer, line)), key=lambda peer: peer.at)

    def is_seen(self, row: Ours) -> bool:
        """Whether a line stands for this registration, or for another one under the same registration ID."""
        if self._taken[row.pk]:
            return True
        return row.is_live and bool(row.registration_id) and row.registration_id in self._seen_ids

    def can_find(self, row: Ours) -> bool:
        """Whether a line for this registration could be recognised at all."""
        by_id = self.proved.ids and bool(row.registration_id) and row.is_live
        by_member = self.proved.members and bool(row.user_id)
        return by_id or by_member or bool(row.emails)

    def _find_same(self, line: Line) -> list[Ours]:
        found = {
            row.pk: row
            for person in _names_of_line(line)
            for row in self._by_person.get((line.product, person), ())
        }
        return [row for row in found.values() if self._is_same_person(line, row)]

    def _is_same_person(self, line: Line, row: Ours) -> bool:
        if self.proved.members and line.told.remote_user_id and row.user_id:
            return line.told.remote_user_id == row.user_id
        return bool(line.email) and line.email in row.emails

    def _is_same_learner(self, one: Line, other: Line) -> bool:
        if self.proved.members and one.told.remote_user_id and other.told.remote_user_id:
            return one.told.remote_user_id == other.told.remote_user_id
        return bool(one.email) and one.email == other.email

    def _pair_by_id(self) -> None:
        owners: dict[str, list[Ours]] = defaultdict(list)
        for row in self.rows:
            if row.registration_id:
                owners[row.registration_id].append(row)
        for row in self.rows:
            for known in (row.other_ids | row.duplicates) - owners.keys():
                owners[known].append(row)
        for line in self.lines:
            for row in owners.get(line.told.report_id, ()):
                self._pair(line, row)

    def _pair_by_person(self) -> None:
        for line in sorted(self.lines, key=lambda line: line.at):
            if line in self.rows_of:
                continue
            free = [row for row in self._same[line] if self._takes(row, line)]
            if free:
                self._pair(line, min(free, key=preference))

    def _takes(self, row: Ours, line: Line) -> bool:
        """Whether a line that no ID explains can be this registration."""
        if row.in_flight:
            return not self._taken[row.pk]
        if row.in_doubt:
            fits = not row.lost or any(call.fits(line.told.transaction_at) for call in row.lost)
            return fits and not self._taken[row.pk]
        if not row.was_there or (self.proved.ids and row.registration_id and line.told.report_id):
            return False
        fits = row.called is None or row.called.fits(line.told.transaction_at)
        return fits and self._taken[row.pk] < row.places

    def _pair(self, line: Line, row: Ours) -> None:
        self.rows_of.setdefault(line, []).append(row)
        self._taken[row.pk] += 1


def preference(row: Ours) -> tuple[int, int]:
    """What Elevate has for certain comes first, then what it may have, then what was cancelled."""
    if row.is_live:
        return 0, row.pk
    return (1 if row.may_be_there else 2), row.pk


def _names(row: Ours) -> Iterator[str]:
    if row.user_id:
        yield f"id:{row.user_id}"
    for email in row.emails:
        yield f"email:{email}"


def _names_of_line(line: Line) -> Iterator[str]:
    if line.told.remote_user_id:
        yield f"id:{line.told.remote_user_id}"
    if line.email:
        yield f"email:{line.email}"


def _without_repeats(days: Mapping[date, Sequence[ReportLine]]) -> list[Line]:
    """Give the lines, each ID once: one that moved to another day while the days were read shows up in both."""
    found: list[Line] = []
    ids: set[str] = set()
    for day in sorted(days):
        for told in days[day]:
            if told.report_id and told.report_id in ids:
                continue
            ids.add(told.report_id)
            found.append(Line(day, told))
    return found
