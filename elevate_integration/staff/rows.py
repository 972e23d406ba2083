"""How an act on registrations runs: lock, change each row, save what changed, decide coverage, wake delivery."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from elevate_integration import marks
from elevate_integration.clock import database_now
from elevate_integration.cover import cover, of_pairs
from elevate_integration.lifecycle import Obstacle, State
from elevate_integration.locking import write_first
from elevate_integration.models import Registration, database
from elevate_integration.retrying import retried
from elevate_integration.wake import wake

if TYPE_CHECKING:
    from elevate_integration.words import Text

_WISH = ("wanted", "obstacle", "status", "confirmed")
_DECISION = (
    "staff_cancelled", "cancel_details", "brake_released", "unwanted_at", "identity_checked", "problems",
)  # fmt: skip
_FACT = (
    "at_elevate", "doubts", "failures", "registered_at", "cancelled_at", "registration_id", "id_is_number",
    "product_url", "site",
)  # fmt: skip
_BY_WHOM = ("trigger", "actor")

NO_SUCH_ROW = _("there is no such registration")
CALL_OPEN = _("a call to Elevate is open; try again when it has ended")
COVERED = _("another paid order covers the same member and product, so nothing is cancelled at Elevate")


@dataclass
class Acted:
    """What an act did. Texts are for staff.

    done: the rows changed. left: the rows that were not, with the reason.
    notes: rows among `done` about which a person should know something.
    """

    done: list[int] = field(default_factory=list)
    left: list[tuple[int, Text]] = field(default_factory=list)
    notes: list[tuple[int, Text]] = field(default_factory=list)


class LeftAlone(Exception):  # noqa: N818
    """Raised by a change that is not possible for this row; its text says why."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


# Changes one locked row in memory and gives its new state, or raises LeftAlone.
Change = Callable[[Registration, State, datetime], State]


def act(
    pks: Iterable[Any], change: Change, *, actor: str, changes_wish: bool = False, trigger: str = "staff"
) -> Acted:
    """Run `change` on each row. A row that raises LeftAlone is left as it was; the others go on.

    trigger: the door through which it came, `staff` or `api`; empty leaves it, and the actor, as they were.
    changes_wish: the act may change who wants what, so all rows of the same learners and products are locked too,
    in the order of their keys, and coverage is decided again.
    """
    wanted = list(dict.fromkeys(int(pk) for pk in pks))
    return _act(wanted, change, by=(trigger, actor[:150]), changes_wish=changes_wish)


@retried
def _act(wanted: list[int], change: Change, *, by: tuple[str, str], changes_wish: bool) -> Acted:
    using = database()
    acted = Acted()
    with transaction.atomic(using=using):
        write_first(using)
        now = database_now(using)
        rows = _lock(wanted, using, with_pairs=changes_wish)
        changed = [row for row in rows if _change(row, change, now, by, using, acted)]
        found = {row.pk for row in rows}
        acted.left += [(pk, NO_SUCH_ROW) for pk in wanted if pk not in found]
        if changes_wish and changed:
            cover({row.pair for row in changed}, now)
            acted.notes += [(pk, COVERED) for pk in _covered(changed, using)]
        marks.ask_for_details(changed, using)
        if changed:
            transaction.on_commit(wake, using=using, robust=True)
    return acted


def _lock(pks: list[int], using: str, *, with_pairs: bool) -> list[Registration]:
    rows = Registration.objects.using(using)
    asked = Q(pk__in=pks)
    if with_pairs:
        pairs = set(
            rows.filter(asked).exclude(learner_key="").values_list("learner_key", "remote_product_id")
        )
        asked |= of_pairs(pairs)
    locked = list(rows.filter(asked).order_by("pk").select_for_update())
    chosen = set(pks)
    return [row for row in locked if row.pk in chosen]


def _change(
    row: Registration, change: Change, now: datetime, by: tuple[str, str], using: str, acted: Acted
) -> bool:
    claimed = row.claim_token is not None
    fields = (*_WISH, *_DECISION, *_BY_WHOM) if claimed else (*_WISH, *_DECISION, *_FACT, *_BY_WHOM, "due_at")
    before = {name: getattr(row, name) for name in fields}
    try:
        state = change(row, row.state, now)
    except LeftAlone as reason:
        acted.left.append((row.pk, reason.reason))
        return False
    row.put(state)
    if by[0]:
        row.trigger, row.actor = by
    if not claimed:
        row.due_at = now if row.state.next_operation is not None else None
    row.updated_at = now
    names = [name for name in fields if getattr(row, name) != before[name]]
    row.save(using=using, update_fields=[*names, "updated_at"])
    acted.done.append(row.pk)
    return True


def _covered(rows: list[Registration], using: str) -> list[int]:
    unwanted = [row.pk for row in rows if not row.wanted]
    found = Registration.objects.using(using).filter(pk__in=unwanted, obstacle=Obstacle.COVERED)
    return list(found.order_by("pk").values_list("pk", flat=True))
