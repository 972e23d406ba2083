"""Coverage: a learner keeps his access while another paid order still gives him the same product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from datetime import datetime

from django.db.models import Q

from elevate_integration import marks
from elevate_integration.conf import conf
from elevate_integration.lifecycle import LIVE, Obstacle
from elevate_integration.models import Registration, database
from elevate_integration.reading import put


def cover(pairs: Iterable[tuple[str, str]], now: datetime) -> None:
    """Decide which unwanted registrations another wanted one covers. Runs inside the caller's transaction.

    pairs: learner key and Remote Product ID. All rows of a pair are locked, so that two orders of one learner
    cannot each take the other for the one that stays.
    """
    using = database()
    wanted_pairs = {pair for pair in pairs if pair[0]}
    if not wanted_pairs:
        return
    rows = Registration.objects.using(using).filter(of_pairs(wanted_pairs)).order_by("pk").select_for_update()
    save(decide(rows, wanted_pairs, now), using)


def of_pairs(pairs: Iterable[tuple[str, str]]) -> Q:
    """Give the condition for all rows of these pairs, and perhaps a few more."""
    pairs = list(pairs)
    return Q(
        learner_key__in={learner for learner, _ in pairs},
        remote_product_id__in={product for _, product in pairs},
    )


def decide(
    rows: Iterable[Registration], pairs: Container[tuple[str, str]], now: datetime
) -> list[Registration]:
    """Put each row of these pairs right in memory, and give those that changed. Saves nothing.

    A row that nothing covers any more comes back with `confirmed` off: its order has to be read once more.
    """
    groups: dict[tuple[str, str], list[Registration]] = defaultdict(list)
    for row in rows:
        if row.pair in pairs:
            groups[row.pair].append(row)
    return [row for group in groups.values() for row in _decide_group(group, now)]


def _decide_group(rows: list[Registration], now: datetime) -> Iterator[Registration]:
    covered = any(row.wanted for row in rows)
    for row in rows:
        if row.wanted or row.at_elevate not in LIVE:
            continue
        if covered and row.obstacle in (Obstacle.NONE, Obstacle.PARKED):
            row.obstacle = Obstacle.COVERED
        elif not covered and row.obstacle == Obstacle.COVERED:
            # The one that covered it has just gone: read again before the last access is taken away.
            row.obstacle, row.confirmed, row.unwanted_at = Obstacle.NONE, False, now
        else:
            continue
        put(row, row.state, now)
        row.updated_at = now
        yield row


def save(rows: Iterable[Registration], using: str) -> None:
    """Write rows that `decide` changed, and have the orders read again of those that nothing covers any more."""
    for row in rows:
        if row.obstacle == Obstacle.NONE:
            marks.insert(row.order_ref, using=using, seconds=conf().cancel_grace)
        row.save(
            using=using,
            update_fields=["obstacle", "confirmed", "unwanted_at", "status", "due_at", "updated_at"],
        )
