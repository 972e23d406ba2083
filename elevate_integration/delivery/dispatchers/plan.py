"""Which task a process has planned already. Knows no engine."""

from __future__ import annotations

import time


class Plan:
    """Remembers the next planned task of this process, so that a hundred runs plan one task and not a hundred."""

    slack = 0.5

    def __init__(self) -> None:
        self._at = float("-inf")

    def covers(self, seconds: float) -> bool:
        """Whether a task is planned already for that time or shortly after. If not, the caller plans it."""
        now = time.monotonic()
        if now < self._at <= now + seconds + self.slack:
            return True
        self._at = now + seconds
        return False

    def forget(self) -> None:
        """The task could not be planned after all."""
        self._at = float("-inf")
