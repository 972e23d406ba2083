"""One day of Elevate's report against our registrations: what differs, what was found, what proves the IDs.

Pure: no Django, no I/O. What cannot be told for certain is told as nothing, never as "missing".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from elevate_integration.elevate.reports import ReportLine
from elevate_integration.lifecycle import AtElevate
from elevate_integration.pairing import NOTHING_PROVED, Line, Ours, Pairing, Proved, preference

Kind = Literal["only_here", "only_there", "twice", "amount", "found", "not_found"]

# A report may show late what happened shortly before it was asked for.
LAG = timedelta(hours=1)
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Difference:
    """One difference. pk: our registration, None where there is none. line: Elevate's, None where there is none.

    nth: the how-manieth line without an ID that says the same on that day, from 0.
    """

    kind: Kind
    pk: int | None = None
    line: ReportLine | None = None
    nth: int = 0
    amount_here: Decimal | None = None
    amount_there: Decimal | None = None
    count_here: int | None = None
    count_there: int | None = None


@dataclass(frozen=True)
class Found:
    """A registration whose answer was lost and that the report has.

    line: where it stands in the report. registration_id: what to fill in; duplicates: further registrations that its
    calls have left at Elevate.
    """

    pk: int
    line: ReportLine
    registration_id: str
    duplicates: tuple[str, ...] = ()


@dataclass
class Evidence:
    """How often the IDs of the report were those that we knew already; and the first example of the contrary."""

    ids_equal: int = 0
    ids_differ: int = 0
    members_equal: int = 0
    members_differ: int = 0
    ids_example: tuple[str, str] = ("", "")
    members_pk: int | None = None


@dataclass
class Compared:
    """What the comparison of one day found.

    whole: the days beside it were there too, so that what is missing could be told.
    unjudged: registrations about which "missing" can be neither said nor taken back now.
    """

    day: date
    whole: bool
    here: int = 0
    there: int = 0
    others: int = 0
    differences: list[Difference] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    unjudged: set[int] = field(default_factory=set)
    evidence: Evidence = field(default_factory=Evidence)


def compare(
    day: date,
    days: Mapping[date, Sequence[ReportLine]],
    rows: Iterable[Ours],
    *,
    read_at: datetime,
    proved: Proved = NOTHING_PROVED,
    products: Collection[str] = (),
    covered: Collection[date] = (),
) -> Compared:
    """Compare a day.

    days: its report, and those of the day before and after where they could be read.
    rows: every registration that these lines may stand for, and those of the day itself.
    read_at: when the first of these reports was asked for; UTC, without a zone.
    products: the Remote Product IDs that are ours; lines of others are only counted.
    covered: further days whose report was read after the calls in doubt, without finding them.
    """
    beside = {day - timedelta(days=1), day + timedelta(days=1)}
    pairing = Pairing(days, rows, proved)
    compared = Compared(day, whole=beside <= days.keys())
    work = _Work(compared, pairing, read_at, {p.strip().casefold() for p in products}, {*covered, *days})
    for line in pairing.lines:
        if line.day == day:
            compared.there += 1
            work.judge_line(line)
    for row in pairing.rows:
        work.judge_row(row)
    compared.evidence = _evidence(day, pairing)
    return compared


class _Work:
    def __init__(
        self, done: Compared, pairing: Pairing, read_at: datetime, products: set[str], covered: set[date]
    ) -> None:
        self.done = done
        self.pairing = pairing
        self.read_at = read_at
        self.products = products
        self.covered = covered
        self.twice: set[int] = set()
        self.found: set[int] = set()
        self.alike: dict[tuple[object, ...], int] = {}

    def judge_line(self, line: Line) -> None:
        rows = self.pairing.rows_of.get(line)
        if rows is None:
            self._judge_unpaired(line)
            return
        for row in rows:
            if row.in_doubt:
                self._judge_found(row, line)
            elif line.told.report_id in row.duplicates and row.may_be_there:
                self._add_twice(row, line)
            elif row.is_live:
                self._judge_amount(row, line)

    def _judge_unpaired(self, line: Line) -> None:
        same = self.pairing.same(line)
        there = sorted((row for row in same if row.may_be_there), key=preference)
        if any(row.in_flight for row in there):
            # The call that is open now may be what this line tells of.
            return
        if there:
            self._add_twice(there[0], line)
        elif line.product in self.products:
            self._add("only_there", line=line.told, pk=same[0].pk if same else None, nth=self._nth(line))
        else:
            self.done.others += 1

    def _nth(self, line: Line) -> int:
        told = line.told
        if told.report_id:
            return 0
        alike = (told.transaction_at, line.product, line.email, told.remote_user_id)
        self.alike[alike] = self.alike.get(alike, -1) + 1
        return self.alike[alike]

    def _add_twice(self, row: Ours, line: Line) -> None:
        if row.pk in self.twice:
            return
        self.twice.add(row.pk)
        here = sum(one.may_be_there for one in self.pairing.same(line)) or 1
        there = sum(not self._is_gone(peer) for peer in self.pairing.peers(line))
        # A line that names nobody has no peers; that it is one too many is known all the same.
        there = max(there, here + 1)
        self._add("twice", pk=row.pk, line=line.told, count_here=here, count_there=there)

    def _is_gone(self, line: Line) -> bool:
        """Whether a line stands only for what was cancelled: reports may go on showing it."""
        rows = self.pairing.rows_of.get(line)
        return rows is not None and not any(row.may_be_there for row in rows)

    def _judge_amount(self, row: Ours, line: Line) -> None:
        here, there = row.amount, line.told.price
        if here is None or there is None or here.quantize(_CENT) == there.quantize(_CENT):
            return
        self._add("amount", pk=row.pk, line=line.told, amount_here=here, amount_there=there)

    def _judge_found(self, row: Ours, line: Line) -> None:
        if row.pk in self.found:
            return
        self.found.add(row.pk)
        certain = self._certain(row, line)
        if certain is None:
            self._add("found", pk=row.pk, line=line.told)
        else:
            self.done.found.append(certain)

    def _certain(self, row: Ours, line: Line) -> Found | None:
        """Tell which registration ID to fill in; None unless nothing else can be meant."""
        if not self.pairing.proved.ids:
            return None
        rivals = [one for one in self.pairing.same(line) if one.may_be_there and not one.is_live]
        if len(rivals) != 1:
            return None
        pairs = self.pairing.rows_of
        lines = [peer for peer in self.pairing.peers(line) if peer not in pairs or row in pairs[peer]]
        times = [one.told.transaction_at for one in lines]
        fits = all(at is not None and any(call.fits(at) for call in row.lost) for at in times)
        if not fits or len(lines) > len(row.lost):
            return None
        *earlier, last = (one.told.report_id for one in lines)
        return Found(row.pk, line.told, last, tuple(earlier)) if last and all(earlier) else None

    def judge_row(self, row: Ours) -> None:
        if row.in_doubt:
            self._judge_doubt(row)
        elif row.at_elevate is AtElevate.PRESENT and row.called is not None:
            if row.called.since.date() == self.done.day:
                self.done.here += 1
                self._judge_missing(row, row.called.until, "only_here", complete=self.done.whole)
        elif row.in_flight:
            self.done.unjudged.add(row.pk)

    def _judge_doubt(self, row: Ours) -> None:
        last = max((call.until for call in row.lost), default=None)
        if last is None or last.date() != self.done.day:
            return
        self.done.here += 1
        asked = {day for call in row.lost for day in call.days()}
        self._judge_missing(row, last, "not_found", complete=self.done.whole and asked <= self.covered)

    def _judge_missing(self, row: Ours, until: datetime, kind: Kind, *, complete: bool) -> None:
        if self.pairing.is_seen(row):
            return
        settled_down = until + LAG <= self.read_at
        if row.in_flight or not (complete and settled_down and self.pairing.can_find(row)):
            self.done.unjudged.add(row.pk)
            return
        self._add(kind, pk=row.pk)

    def _add(
        self,
        kind: Kind,
        *,
        pk: int | None = None,
        line: ReportLine | None = None,
        nth: int = 0,
        amount_here: Decimal | None = None,
        amount_there: Decimal | None = None,
        count_here: int | None = None,
        count_there: int | None = None,
    ) -> None:
        self.done.differences.append(
            Difference(kind, pk, line, nth, amount_here, amount_there, count_here, count_there)
        )


def _evidence(day: date, pairing: Pairing) -> Evidence:
    """Compare the report's IDs with those that Elevate itself answered, where nothing else can be meant."""
    evidence = Evidence()
    learners: set[str] = set()
    for line, row in _plain_pairs(day, pairing):
        told = line.told
        if told.report_id and told.report_id == row.registration_id:
            evidence.ids_equal += 1
        elif told.report_id and row.registration_id not in pairing.report_ids:
            evidence.ids_differ += 1
            if not evidence.ids_example[0]:
                evidence.ids_example = (told.report_id, row.registration_id)
        if not told.remote_user_id or not row.user_id:
            continue
        if told.remote_user_id == row.user_id:
            learners.add(row.user_id)
        else:
            evidence.members_differ += 1
            evidence.members_pk = evidence.members_pk or row.pk
    evidence.members_equal = len(learners)
    return evidence


def _plain_pairs(day: date, pairing: Pairing) -> Iterator[tuple[Line, Ours]]:
    """Give the lines of a day whose e-mail address and product name one registration that Elevate answered for.

    By these alone, whatever is proved: an ID cannot prove itself.
    """
    lines: dict[tuple[str, str], list[Line]] = {}
    for line in pairing.lines:
        lines.setdefault((line.product, line.email), []).append(line)
    rows: dict[tuple[str, str], list[Ours]] = {}
    for row in pairing.rows:
        for email in row.emails:
            if row.was_there or row.may_be_there:
                rows.setdefault((row.remote_product_id.strip().casefold(), email), []).append(row)
    for key, told in lines.items():
        known = rows.get(key, [])
        if len(told) != 1 or len(known) != 1 or told[0].day != day:
            continue
        row = known[0]
        is_plain = row.is_answered and row.at_elevate is AtElevate.PRESENT and not row.in_flight
        alone = not (row.other_ids or row.duplicates)
        if is_plain and alone and row.called is not None and row.called.fits(told[0].told.transaction_at):
            yield told[0], row
