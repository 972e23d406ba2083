"""Coverage: a learner keeps his access while another paid order still gives him the same product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

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
    rows = Registration.objects.using(using).filter(
        learner_key__in={learner for learner, _ in wanted_pairs},
        remote_product_id__in={product for _, product in wanted_pairs},
    )
    groups: dict[tuple[str, str], list[Registration]] = defaultdict(list)
    for row in rows.order_by("pk").select_for_update():
        groups[row.pair].append(row)
    for pair in wanted_pairs & groups.keys():
        _cover_group(groups[pair], using, now)


def _cover_group(rows: list[Registration], using: str, now: datetime) -> None:
    covered = any(row.wanted for row in rows)
    for row in rows:
        if row.wanted or row.at_elevate not in LIVE:
            continue
        if covered and row.obstacle in (Obstacle.NONE, Obstacle.PARKED):
            row.obstacle = Obstacle.COVERED
        elif not covered and row.obstacle == Obstacle.COVERED:
            # The one that covered it has just gone: read again before the last access is taken away.
            row.obstacle, row.confirmed, row.unwanted_at = Obstacle.NONE, False, now
            marks.insert(row.order_ref, using=using, seconds=conf().cancel_grace)
        else:
            continue
        put(row, row.state, now)
        row.updated_at = now
        row.save(
            using=using,
            update_fields=["obstacle", "confirmed", "unwanted_at", "status", "due_at", "updated_at"],
        )
