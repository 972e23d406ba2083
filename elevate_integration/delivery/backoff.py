"""When to try again. Pure: no Django, no clock."""

from __future__ import annotations

import random
from collections.abc import Callable

_LONGEST_RETRY_AFTER = 86_400.0


def wait(
    failures: int,
    *,
    first: float,
    ceiling: float,
    retry_after: float | None = None,
    spread: Callable[[], float] = random.random,
) -> float:
    """Give the seconds until the next try.

    failures: temporary failures in a row, 1 after the first. The wait doubles up to `ceiling` and is spread by a
    fifth either way, so that a whole queue does not come back in one second. `retry_after` (seconds) wins, up to a
    day; it is only ever lengthened.
    """
    if retry_after is not None:
        return min(max(retry_after, 0.0), _LONGEST_RETRY_AFTER) + spread()
    doublings = min(max(failures, 1) - 1, 30)
    return min(first * 2.0**doublings, ceiling) * (0.8 + 0.4 * spread())
