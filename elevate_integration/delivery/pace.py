"""How many calls may go out now, when an operator has set a ceiling. Pure: told the time, asks for none."""

from __future__ import annotations

import threading

# Seconds of the ceiling that may go out at once after a quiet while.
_BURST = 0.2


class Pace:
    """A ceiling of calls per second for one process. Safe to share between threads.

    per_second: 0 for no ceiling.
    """

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._most = max(per_second * _BURST, 1.0)
        self._left = self._most
        self._at: float | None = None
        self._lock = threading.Lock()

    def take(self, wanted: int, now: float) -> int:
        """Take as many of the wanted calls as may go out now. now: seconds of a clock that never goes back."""
        if not self.per_second:
            return wanted
        with self._lock:
            if self._at is not None:
                self._left = min(self._most, self._left + (now - self._at) * self.per_second)
            self._at = now
            # What rounding took from a whole call is given back.
            taken = min(wanted, int(self._left + 1e-9))
            self._left -= taken
            return taken

    def give_back(self, calls: int) -> None:
        """Return calls that were taken and not made."""
        with self._lock:
            self._left = min(self._most, self._left + calls)

    def wait(self) -> float:
        """Tell the seconds from the last `take` until the next call may go out."""
        if not self.per_second:
            return 0.0
        with self._lock:
            return max(1.0 - self._left, 0.0) / self.per_second
