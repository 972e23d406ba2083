"""What every dispatcher promises."""

from __future__ import annotations


class Dispatcher:
    """Wakes delivery. Subclass it to hand the work to an engine of your own."""

    def start(self) -> None:
        """Get ready, once per process. Must not query and must not start threads: a fork may follow."""

    def stop(self) -> None:
        """Undo `start`."""

    def wake(self, order_ref: str = "") -> None:
        """There may be work. Called after a commit, in the host's thread: return at once, raise nothing.

        order_ref: the order that was marked, where that is known: a hint by which a worker saves a look.
        """

    @property
    def waits(self) -> bool:
        """Whether `wake` delivers before it returns, so that a checkout waits for Elevate."""
        return False
