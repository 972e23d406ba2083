"""Who compares: one process for each Elevate site, by a lease that a lost process lets run out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from elevate_integration.clock import DatabaseNow
from elevate_integration.locking import write_first
from elevate_integration.models import database
from elevate_integration.reconciled import ReportState
from elevate_integration.retrying import retried

# Seconds. Longer than one report may take, since nothing renews the lease meanwhile.
LEASE = 300.0


class Lost(Exception):  # noqa: N818 - named by what it means
    """The lease ran out, and another process compares now."""


@dataclass(frozen=True)
class Lease:
    """The right to compare with one Elevate site, for `LEASE` seconds from the last `keep`."""

    site: str
    token: uuid.UUID

    def keep(self) -> None:
        """Renew it. Raises Lost."""
        if not self._mine().update(lease_until=DatabaseNow(LEASE)):
            raise Lost

    def lock(self) -> ReportState:
        """Give the state, locked for the rest of the transaction, so that nobody else writes. Raises Lost."""
        write_first(database())
        state: ReportState | None = self._mine().select_for_update().first()
        if state is None:
            raise Lost
        return state

    def release(self) -> None:
        """Let somebody else compare."""
        self._mine().update(lease_token=None, lease_until=None)

    def _mine(self) -> QuerySet:
        return ReportState.objects.using(database()).filter(site=self.site, lease_token=self.token)


@retried
def take(site: str) -> Lease | None:
    """Take the lease of an Elevate site; None while somebody else has it."""
    rows = ReportState.objects.using(database())
    rows.get_or_create(site=site)
    lease = Lease(site, uuid.uuid4())
    free = Q(lease_until=None) | Q(lease_until__lte=DatabaseNow())
    taken = rows.filter(free, site=site).update(lease_token=lease.token, lease_until=DatabaseNow(LEASE))
    return lease if taken else None


def is_taken(site: str) -> bool:
    """Tell whether somebody compares with an Elevate site now."""
    rows = ReportState.objects.using(database())
    return rows.filter(site=site, lease_until__gt=DatabaseNow()).exists()
