"""What the report's IDs may be taken for, from the IDs that Elevate itself answered: enough equal ones, none that differs.

Each compared day keeps its counts, so that a day that is read again counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from elevate_integration.clock import DatabaseNow
from elevate_integration.comparing import Evidence
from elevate_integration.conf import conf
from elevate_integration.models import database
from elevate_integration.pairing import Proved
from elevate_integration.reconciled import ReconciledDay, ReportState

ENOUGH = 5
_COUNTS = ("ids_equal", "ids_differ", "members_equal", "members_differ")


@dataclass(frozen=True)
class Known:
    """What is known about one kind of ID. equal, differ: how many were so; doubt: a sentence, `""` for none."""

    equal: int
    differ: int
    doubt: str
    needed: int = ENOUGH

    @property
    def proved(self) -> bool:
        """Whether it may be relied on."""
        return self.equal >= self.needed and not self.differ and not self.doubt


@dataclass(frozen=True)
class Proof:
    """ids: the report's ID is the registration ID. members: its member is the user ID that we send."""

    ids: Known
    members: Known

    @property
    def proved(self) -> Proved:
        """The same for the comparison."""
        return Proved(ids=self.ids.proved, members=self.members.proved)


def proof_now(site: str | None = None, *, besides: date | None = None, seen: Evidence | None = None) -> Proof:
    """Tell what is proved about an Elevate site, that of the settings by default.

    besides: a day whose earlier counts are left out. seen: what its new reading shows, counted instead.
    """
    using = database()
    site = conf().url if site is None else site
    state = ReportState.objects.using(using).filter(site=site).first() or ReportState(site=site)
    days = ReconciledDay.objects.using(using).filter(site=site)
    if state.proof_since is not None:
        days = days.filter(read_at__gt=state.proof_since)
    if besides is not None:
        days = days.exclude(day=besides)
    counts = days.aggregate(**{name: Coalesce(Sum(F(name)), 0) for name in _COUNTS})
    if seen is not None:
        counts = {name: counts[name] + getattr(seen, name) for name in _COUNTS}
    ids_doubt, members_doubt = doubts(besides, seen) if besides and seen else ("", "")
    return Proof(
        ids=Known(counts["ids_equal"], counts["ids_differ"], state.ids_doubt or ids_doubt),
        members=Known(
            counts["members_equal"], counts["members_differ"], state.members_doubt or members_doubt
        ),
    )


def doubts(day: date, seen: Evidence) -> tuple[str, str]:
    """Say what a day shows against the IDs and against the user IDs; `""` for nothing."""
    ids = members = ""
    if seen.ids_differ:
        theirs, ours = seen.ids_example
        ids = (
            f"On {day} the report gives ID {theirs} for a registration that Elevate answered with ID {ours}, so the "
            "report's IDs are not relied on. Look at both in Elevate: one may have been made there by hand."
        )
    if seen.members_differ:
        members = (
            f"On {day} the report gives another user ID than we sent for registration {seen.members_pk}, although e-mail "
            "address and product are the same, so the report's user IDs are not relied on. Look at the user in Elevate, "
            'and at "user_id" in REPORT_FIELDS.'
        )
    return ids, members


def begin_anew() -> None:
    """Let the doubts count no more, and begin the proof anew: what was read before proves nothing."""
    rows = ReportState.objects.using(database())
    rows.get_or_create(site=conf().url)
    rows.filter(site=conf().url).update(ids_doubt="", members_doubt="", proof_since=DatabaseNow())
