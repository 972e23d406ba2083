"""Which paid order keeps a learner's access when another one is given up: asked for screens, decided in `cover`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from elevate_integration.cover import of_pairs
from elevate_integration.models import Registration, database


def covering(rows: Iterable[Registration], *, besides: Collection[int] = ()) -> dict[int, Registration]:
    """Give for each row the wanted registration of the same learner and product in whose favour it is given up.

    besides: keys of rows that do not count, since they are given up at the same time. One query for all rows, none
    where nobody is named.
    """
    asked = [row for row in rows if row.learner_key]
    if not asked:
        return {}
    left_out = {*besides}
    wanted = Registration.objects.using(database()).filter(of_pairs(row.pair for row in asked), wanted=True)
    by_pair: dict[tuple[str, str], list[Registration]] = {}
    for other in wanted.order_by("pk"):
        if other.pk not in left_out:
            by_pair.setdefault(other.pair, []).append(other)
    found = {}
    for row in asked:
        others = [other for other in by_pair.get(row.pair, ()) if other.pk != row.pk]
        if others:
            found[row.pk] = others[0]
    return found
