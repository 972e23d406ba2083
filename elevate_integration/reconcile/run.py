"""A run over some days: read, settle what was found, write down what differs. Day by day, one process at a time.

Elevate is only asked for reports. Registrations that the report has are settled here; everything else is left to staff.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Event

from elevate_integration.comparing import Compared, Difference, compare
from elevate_integration.conf import conf
from elevate_integration.delivery.sender import make_client
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.events import event, get_logger
from elevate_integration.pairing import Proved
from elevate_integration.reconcile import lease as leases
from elevate_integration.reconcile.fetching import DayReport, DayUnreadable, Fetcher, Stopped
from elevate_integration.reconcile.lease import Lease, Lost
from elevate_integration.reconcile.proof import proof_now
from elevate_integration.reconcile.recording import record, record_unread
from elevate_integration.reconcile.results import Busy, DayDone, Run
from elevate_integration.reconcile.rows import covered_days, rows_for, sold_products
from elevate_integration.reconcile.settling import settle_found

logger = get_logger(__name__)

_DAY = timedelta(days=1)
# After so many unreadable days in a row the next ones are left for another time.
_UNREAD_AT_MOST = 3


@dataclass(frozen=True)
class Step:
    """How far a run is: the day it is at, how many of its days are done, and what the last one came to."""

    day: date
    done: int
    total: int
    last: DayDone | None = None


def nobody_listens(step: Step) -> None:
    """Take no notice of the progress."""


def reconcile(
    days: Iterable[date],
    *,
    wait: Callable[[float], bool] | None = None,
    told: Callable[[Step], None] = nobody_listens,
    dry_run: bool = False,
) -> Run:
    """Compare these days. Raises Busy when somebody else is at it.

    wait: sleeps so many seconds and tells whether to stop, as `Event.wait` does. told: gets each step.
    dry_run: settles nothing, writes nothing down.
    """
    lease = leases.take(conf().url)
    if lease is None:
        raise Busy("Somebody else is comparing with Elevate's report now.")
    try:
        return run_under(lease, days, wait=wait, told=told, dry_run=dry_run)
    finally:
        lease.release()


def run_under(
    lease: Lease,
    days: Iterable[date],
    *,
    wait: Callable[[float], bool] | None = None,
    told: Callable[[Step], None] = nobody_listens,
    dry_run: bool = False,
) -> Run:
    """Compare these days under a lease that the caller has taken and will release. Otherwise as `reconcile`."""
    client = make_client()
    try:
        return _Runner(lease, client, wait or Event().wait, dry_run=dry_run).run(sorted(set(days)), told)
    finally:
        client.close()


class _Runner:
    def __init__(
        self, lease: Lease, client: ElevateClient, wait: Callable[[float], bool], *, dry_run: bool
    ) -> None:
        settings = conf()
        self.lease = lease
        self.dry_run = dry_run
        self.fetcher = Fetcher(client, settings.report_fields, settings.report_pause, wait, lease.keep)
        self.read: dict[date, DayReport | DayUnreadable] = {}

    def run(self, days: list[date], told: Callable[[Step], None]) -> Run:
        run = Run()
        for number, day in enumerate(days):
            told(Step(day, number, len(days), run.days[-1] if run.days else None))
            run.left = len(days) - number
            try:
                done, ends_run = self._day(day)
            except Stopped:
                run.stopped = "It was asked to stop."
                break
            except Lost:
                run.stopped = "It took so long that another process began to compare."
                break
            run.days.append(done)
            run.left -= 1
            in_a_row = run.days[-_UNREAD_AT_MOST:]
            if ends_run or (len(in_a_row) == _UNREAD_AT_MOST and not any(one.is_read for one in in_a_row)):
                run.stopped = done.message if run.left else ""
                break
        if run.days:
            told(Step(run.days[-1].day, len(run.days), len(days), run.days[-1]))
        return run

    def _day(self, day: date) -> tuple[DayDone, bool]:
        """Compare one day; tells too whether the next one would fare no better."""
        self.read = {one: report for one, report in self.read.items() if one >= day - _DAY}
        for one in (day - _DAY, day, day + _DAY):
            if self._fetch(one):
                break
        failed = [one for one in self.read.values() if isinstance(one, DayUnreadable)]
        ends_run = any(one.ends_run for one in failed)
        reports = {one: report for one, report in self.read.items() if isinstance(report, DayReport)}
        if day not in reports:
            reason = self.read.get(day) or failed[0]
            return self._unread(day, str(reason)), ends_run
        near = {one: report for one, report in reports.items() if abs(one - day) <= _DAY}
        beside = "" if len(near) == 3 else f"A day beside it could not be read. {failed[-1]}"
        return self._compare(day, near, beside), ends_run

    def _fetch(self, day: date) -> bool:
        """Read a day unless it is there already; tells whether the run cannot go on."""
        if day not in self.read:
            try:
                self.read[day] = self.fetcher.day(day)
            except DayUnreadable as error:
                logger.warning(
                    "Elevate's report of %s could not be read.",
                    day,
                    extra=event("elevate.report.unread", day=str(day)),
                )
                self.read[day] = error
        report = self.read[day]
        return isinstance(report, DayUnreadable) and report.ends_run

    def _unread(self, day: date, message: str) -> DayDone:
        if not self.dry_run:
            record_unread(self.lease, day, message)
        return DayDone(day, message)

    def _compare(self, day: date, reports: dict[date, DayReport], beside: str) -> DayDone:
        site = self.lease.site
        lines = {one: report.lines for one, report in reports.items()}
        rows = rows_for(site, day, (line for some in lines.values() for line in some))
        read_at = min(report.read_at for report in reports.values())
        products, covered = sold_products(), covered_days(site, rows, day)

        def compared_by(proved: Proved) -> Compared:
            return compare(
                day, lines, rows, read_at=read_at, proved=proved, products=products, covered=covered
            )

        before = proof_now(site).proved
        compared = compared_by(before)
        # What this very day shows counts before anything is settled by it.
        proved = proof_now(site, besides=day, seen=compared.evidence).proved
        if proved != before:
            compared = compared_by(proved)
        if self.dry_run:
            kinds: Counter[str] = Counter(sorted(one.kind for one in compared.differences))
            return self._done(compared, len(compared.found), kinds, beside)
        settled = self._settle(compared)
        message = beside and f"Nothing is called missing. {beside}"
        waiting = record(self.lease, compared, settled=settled, read_at=reports[day].read_at, message=message)
        return self._done(compared, settled, waiting, beside)

    def _settle(self, compared: Compared) -> int:
        settled = 0
        for found in compared.found:
            self.lease.keep()
            if settle_found(found, compared.day, self.lease.site):
                settled += 1
            else:
                compared.differences.append(Difference("found", found.pk, found.line))
        return settled

    @staticmethod
    def _done(compared: Compared, settled: int, kinds: Mapping[str, int], beside: str) -> DayDone:
        return DayDone(
            compared.day,
            there=compared.there,
            settled=settled,
            differences=sum(kinds.values()),
            beside=beside,
            kinds=kinds,
        )
