"""What the button for one day calls. Asks for no permission: doors do that."""

from __future__ import annotations

from datetime import date
from functools import partial

from elevate_integration.conf import conf
from elevate_integration.reconcile import lease as leases
from elevate_integration.reconcile.background import Background
from elevate_integration.reconcile.lease import Lease
from elevate_integration.reconcile.results import DayDone
from elevate_integration.reconcile.run import reconcile, run_under

_background = Background()


def start_day(day: date) -> bool:
    """Compare one day in a thread of this process and return at once; False when somebody is comparing now.

    What came of it stands in `ReconciledDay` and `Discrepancy`, also that the day could not be read.
    """
    if _background.is_busy():
        return False
    lease = leases.take(conf().url)
    if lease is None:
        return False
    started = _background.start(partial(_compare, day, lease))
    if not started:
        lease.release()
    return started


def _compare(day: date, lease: Lease) -> None:
    try:
        run_under(lease, [day], wait=_background.stopping.wait)
    finally:
        lease.release()


def compare_day(day: date) -> DayDone:
    """Compare one day now: some ten seconds, or minutes if Elevate is slow. Raises `results.Busy`."""
    run = reconcile([day])
    return run.days[0] if run.days else DayDone(day, run.stopped)


def is_comparing() -> bool:
    """Tell whether somebody compares with the Elevate site of the settings now, in whatever process."""
    return leases.is_taken(conf().url)


def join() -> None:
    """Wait for the end of what `start_day` began here."""
    _background.join()
