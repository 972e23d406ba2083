"""One task's worth of delivery, for engines that run tasks. A task may come twice or never: the rows are the truth."""

from __future__ import annotations

import threading

from elevate_integration.delivery import queue
from elevate_integration.delivery.worker import Worker

# Seconds: how long one task delivers, how far ahead the next one is planned, and how soon to look again.
LONGEST = 20.0
NEAR = 60.0
SOON = 1.0


def run_batch() -> float | None:
    """Deliver what is due, sweep if it is time, and give the seconds after which another task is needed.

    None leaves it to the periodic run: nothing falls due soon, or what is due may not go out now.
    """
    worker = Worker()
    timer = threading.Timer(LONGEST, worker.stop)
    timer.daemon = True
    timer.start()
    try:
        worker.run_once(sweeping=True)
    finally:
        timer.cancel()
    ahead = queue.ahead()
    waits = [seconds for seconds in (ahead.marks, ahead.calls) if seconds is not None]
    if worker.stopping.is_set():
        return 0.0 if min(waits, default=1.0) <= 0 else _soonest(waits)
    return _soonest(waits)


def _soonest(waits: list[float]) -> float | None:
    # Long overdue and not taken: another worker holds it, or delivery waits. A task a second would not help.
    near = [max(seconds, SOON) if seconds <= 0 else seconds for seconds in waits if -SOON < seconds <= NEAR]
    return min(near, default=None)
