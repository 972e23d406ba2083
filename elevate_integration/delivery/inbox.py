"""What a worker's loop waits for: what threads put in, and the answers to calls that it has begun itself."""

from __future__ import annotations

import math
import selectors
import socket
from contextlib import suppress
from contextvars import Context
from itertools import takewhile
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from elevate_integration.delivery.outcomes import Result
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.connections import Halves, Waiting, whole

# Seconds: how long is waited at once, by whoever waits without end.
_LOOK_AGAIN = 1.0


class Underway:
    """One call, begun in one thread and, if need be, ended in another.

    client: by which it goes. whole: whether its answer has come to its end, so that nobody has to wait for it.
    """

    def __init__(self, client: ElevateClient, halves: Halves[Result]) -> None:
        self.client = client
        self._halves = halves
        # Who observes calls may set context variables; here one call begins before the one before it has ended.
        self._context = Context()
        self.begun_at = 0.0
        self.whole = False

    def begin(self) -> Waiting | None:
        """Write the request where a connection stands open, and give that; None where it must first be made."""
        self.begun_at = monotonic()
        return self._context.run(next, self._halves)

    def finish(self) -> Result:
        """Do what is left of the call, and wait for it in this thread."""
        return self._context.run(whole, self._halves)


class Inbox:
    """A `SimpleQueue` that watches connections besides: each `Underway` comes in when its answer has begun to come.

    `put` is for any thread and for signal handlers, the rest for the thread of the loop.
    """

    def __init__(self) -> None:
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._asleep = False
        self._selector: selectors.BaseSelector | None = None
        self._bell: socket.socket | None = None
        self._cord: socket.socket | None = None
        # In the order in which they were begun, with the connection and the number under which it is watched.
        self._watched: dict[Underway, tuple[Waiting, int]] = {}

    def put(self, item: Any) -> None:
        """Put something in, and wake whoever waits."""
        self._items.put(item)
        cord = self._cord
        if self._asleep and cord is not None:
            # Full only when it has been rung thousands of times already, closed when nobody waits any more.
            with suppress(OSError):
                cord.send(b"!")

    def get_nowait(self) -> Any:
        """Give what has come in. Raises `queue.Empty` when nothing has."""
        with suppress(Empty):
            return self._items.get_nowait()
        if self._has_more_to_hear(0.0):
            self._look(0.0)
        return self._items.get_nowait()

    def get(self, timeout: float | None = None) -> Any:
        """Wait until something comes in, `timeout` seconds at most. Raises `queue.Empty` after them."""
        if not self._has_more_to_hear(timeout):
            return self._items.get(timeout=timeout)
        ends = None if timeout is None else monotonic() + timeout
        while True:
            with suppress(Empty):
                return self._items.get_nowait()
            left = _LOOK_AGAIN if ends is None else ends - monotonic()
            if left <= 0:
                raise Empty
            self._look(min(left, _LOOK_AGAIN))

    @property
    def watching(self) -> bool:
        """Whether any call is watched."""
        return bool(self._watched)

    def watch(self, call: Underway, waiting: Waiting) -> None:
        """Have a call come in, once, when there is something of the answer for which this connection waits."""
        number = waiting.fileno()
        self._watched[call] = waiting, number
        self._open().register(number, selectors.EVENT_READ, call)

    def let_go(self, begun_before: float = math.inf) -> list[Underway]:
        """Watch no longer what was begun before a moment, in seconds of `monotonic()`, and give it."""
        found = list(takewhile(lambda call: call.begun_at < begun_before, self._watched))
        for call in found:
            self._forget(call)
        return found

    def close(self) -> None:
        """Let go of what it holds of the system; what was put in stays. It may be used again."""
        selector, bell, cord = self._selector, self._bell, self._cord
        self._selector = self._bell = self._cord = None
        for one in (selector, bell, cord):
            if one is not None:
                one.close()

    def _has_more_to_hear(self, seconds: float | None) -> bool:
        """Tell whether something else than a `put` can bring something within some seconds."""
        return bool(self._watched)

    def _open(self) -> selectors.BaseSelector:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
            self._bell, self._cord = socket.socketpair()
            for end in (self._bell, self._cord):
                end.settimeout(0.0)
            self._selector.register(self._bell, selectors.EVENT_READ)
        return self._selector

    def _forget(self, call: Underway) -> None:
        _, number = self._watched.pop(call)
        self._open().unregister(number)

    def _look(self, seconds: float) -> None:
        """Wait for an answer or a `put`, and put in what has come."""
        for key in self._ready(seconds):
            self._answered(key.data)

    def _answered(self, call: Underway) -> None:
        """Put a call in if anything of its answer is there."""
        there = self._watched[call][0].take()
        if there is not None:
            self._forget(call)
            call.whole = there
            self._items.put(call)

    def _ready(self, seconds: float) -> list[selectors.SelectorKey]:
        """Wait for what is watched or for a `put`, and give what can be read now, the bell left out."""
        selector = self._open()
        self._asleep = True
        try:
            # What was put in before anybody could see that we sleep rang no bell.
            ready = selector.select(seconds if self._items.empty() else 0.0)
        finally:
            self._asleep = False
        found = []
        for key, _ in ready:
            if key.data is None:
                bell: Any = key.fileobj
                bell.recv(4096)
            else:
                found.append(key)
        return found
