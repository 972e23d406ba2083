"""The loop: marks first, then calls. One thread talks to the database, the senders only to Elevate.

Where Elevate answers at once, handing a call to a sender and its answer back costs more than the call: then the loop
writes the request itself, and reads the answer when it is there. It never waits for Elevate: what would have to be
waited for is a sender's.

It claims no more rows than it has free senders, so that a killed worker leaves no more doubt than calls in flight.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import lru_cache
from queue import Empty, SimpleQueue

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connections

from elevate_integration import plans
from elevate_integration.clock import DatabaseNow
from elevate_integration.conf import conf
from elevate_integration.delivery import gate, queue, settling
from elevate_integration.delivery.clients import Clients
from elevate_integration.delivery.inbox import Inbox, Underway
from elevate_integration.delivery.outcomes import Claimed, Result
from elevate_integration.delivery.pace import Pace
from elevate_integration.delivery.sender import prepare, sending
from elevate_integration.delivery.sweep import sweep_if_due
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.events import event, get_logger
from elevate_integration.keys import take_change
from elevate_integration.models import DeliveryState, database
from elevate_integration.reconcile import nightly
from elevate_integration.sync import sync_order

logger = get_logger(__name__)

_ORDERS_PER_STEP = 20
_HEARTBEAT = 15.0
_BLOCKED = 1.0
# Seconds: for how long answers are gathered, how long a gap between two may be, and how often a worker with its hands
# full looks at the marks. Where an answer takes long, the processor has time, and a sender is worth more than a group.
_GATHER, _GATHER_SLOW = 0.01, 0.005
_GAP, _GAP_SLOW = 0.002, 0.001
_SLOW = 0.05
_LOOK_AGAIN, _LOOK_ANYWAY = 0.05, 1.0
_DATABASE_AWAY = (OperationalError, InterfaceError)
# An answer and who asked; nobody where there was nothing to send.
_Answer = tuple[Result, ElevateClient | None]


@lru_cache(maxsize=1)
def pace(per_second: float) -> Pace:
    """Give the ceiling of this process, whichever of its workers asks."""
    return Pace(per_second)


def _due(seconds: float | None) -> bool:
    return seconds is not None and seconds <= 0


class Worker:
    """Delivers until it is told to stop. Any number may run beside each other.

    threads: calls in flight at most. poll: seconds between looks at an idle queue.
    heard: gets a line for each thing that happened (the demo's terminal). inbox: one that hears of orders by itself.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        poll: float = 1.0,
        heard: Callable[[Result], None] | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        self.threads = threads or conf().threads
        self.poll = poll
        self.heard = heard
        self.stopping = threading.Event()
        # Answers, calls that were begun here and need somebody to read on, and orders of which we are told.
        self._inbox = inbox or Inbox()
        self._jobs: SimpleQueue[Underway | None] = SimpleQueue()
        self._unsettled: list[Result] = []
        self._open = 0
        self._senders: list[threading.Thread] = []
        self._clients = Clients()
        # Whether Elevate answered at once when it was last asked.
        self._quick = False
        # Whose key Elevate refused last, until the loop has looked whether there is another.
        self._refused: ElevateClient | None = None
        self._last_heartbeat = float("-inf")
        # Whether anything was done since plans were last looked after; never by a worker that comes for once.
        self._worked = False
        self._ahead = queue.Ahead(None, None, None)
        self._looked_at = float("-inf")
        self._draining = False
        self._woken = False
        # The orders of which those who woke us have told, in turn.
        self._told: dict[str, None] = {}
        # Whether the last round of the loop found nothing to do.
        self._resting = False
        # Seconds until the operator's ceiling lets the next call out, while it holds any back.
        self._held_back: float | None = None

    def wake(self, order_ref: str = "") -> None:
        """Look at the queue now, at this order's marks first if one is given. Safe from any thread; returns at once."""
        self._inbox.put(order_ref)

    def stop(self) -> None:
        """Finish the calls in flight, then end. Safe from any thread and from a signal handler."""
        self.stopping.set()
        self._inbox.put("")

    def run(self) -> None:
        """Deliver until `stop()`. A database that is away is waited for; answers are kept meanwhile."""
        away = 0
        self._worked = True
        try:
            while not (self.stopping.is_set() and not self._open and not self._unsettled):
                try:
                    busy = self._step(sweeping=True)
                    away = 0
                except _DATABASE_AWAY:
                    logger.exception(
                        "The database cannot be reached; answers are kept, trying again.",
                        extra=event("elevate.database.away"),
                    )
                    away += 1
                    self._database_is_away(away)
                    if self.stopping.is_set() and away > 3:
                        break
                    continue
                self._worked |= busy
                self._resting = not busy and not self._open
                if not busy:
                    self._wait(self._idle_seconds())
        finally:
            self._close()
            nightly.stop()

    def run_once(self, *, sweeping: bool = True) -> int:
        """Deliver what is due now, sweep if it is time, and come back. Gives the number of calls made."""
        made = 0
        try:
            while True:
                busy = self._step(sweeping=sweeping)
                made += self._made
                if not busy and not self._open and self._held_back is None:
                    return made
                if not busy:
                    self._wait(self._held_back)
        finally:
            self._close()

    def _step(self, *, sweeping: bool) -> bool:
        """Do one round. Tells whether there was anything to do."""
        self._gather()
        self._held_back = None
        draining = self._draining and time.monotonic() - self._looked_at < _LOOK_AGAIN
        # Before anything is claimed: an answer that is not written is a doubt too, should this worker be killed.
        self._made = self._settle()
        busy = bool(self._made)
        if self.stopping.is_set():
            return busy
        beat = self._beat()
        if beat and sweeping:
            nightly.look()
        if self._has_another_key():
            gate.ask_again(database())
        if self._woken:
            self._woken = False
            told, self._told = self._told, {}
            # Who wakes us has written a mark: it is looked for at once, without asking first what is due. Without a
            # look of our own now and then, orders that keep coming would hold up what else is due.
            if self._resting or time.monotonic() - self._looked_at < _LOOK_ANYWAY:
                before = self._open
                if self._sync_marks(told):
                    if self._open == before:
                        self._send_due()
                    else:
                        # Whoever sends needs the interpreter, and its answer may be there in no time.
                        self._wait(_GAP)
                    return True
        if draining:
            return self._send_due() or busy
        if beat and self._resting and not busy:
            # An idle worker asks one question a second, and this second's was the sign of life.
            return False
        ahead = self._ahead = queue.ahead()
        self._looked_at = time.monotonic()
        if _due(ahead.marks):
            busy |= self._sync_marks()
        if _due(ahead.calls) or busy:
            busy |= self._send_due()
        if sweeping and not busy and not self._open and _due(ahead.sweep):
            busy |= sweep_if_due() is not None
        return busy

    def _has_another_key(self) -> bool:
        """Tell, once, whether there is another key than the one that was used or refused last."""
        refused, self._refused = self._refused, None
        return take_change() or (refused is not None and refused is not self._clients.now())

    def _gather(self) -> None:
        """Take the answers that have come in, and wait milliseconds for more while they keep coming.

        A group costs the database little more than one answer.
        """
        began = time.monotonic()
        for call in self._inbox.let_go(begun_before=began - _SLOW):
            self._to_sender(call)
        while True:
            wanting = bool(self._unsettled) and self._open > 0
            slow = wanting and (self._unsettled[-1].duration or 0.0) > _SLOW
            until, gap = (_GATHER_SLOW, _GAP_SLOW) if slow else (_GATHER, _GAP)
            left = min(began + until - time.monotonic(), gap) if wanting else 0.0
            try:
                self._keep(self._inbox.get(timeout=left) if left > 0 else self._inbox.get_nowait())
            except Empty:
                return

    def _keep(self, answer: _Answer | Underway | str) -> None:
        if isinstance(answer, str):
            self._woken = True
            if answer:
                self._told[answer] = None
            return
        if isinstance(answer, Underway):
            if not answer.whole:
                self._to_sender(answer)
                return
            answer = answer.finish(), answer.client
        result, client = answer
        if result.duration is not None:
            self._quick = result.duration <= _SLOW
        if result.key_refused:
            self._refused = client
        if client is not None:
            self._clients.take_back(client)
        self._open -= 1
        self._unsettled.append(result)

    def _settle(self) -> int:
        group = list(self._unsettled)
        if not group:
            return 0
        settling.settle_all(self._unsettled)
        for result in group:
            if self.heard is not None:
                self.heard(result)
        return len(group)

    def _sync_marks(self, told: Collection[str] = ()) -> bool:
        """Sync the marked orders; new registrations go out at once while nothing older waits for a sender.

        told: the orders to sync, where they are known and few; else they are asked for, the longest-waiting first.
        """
        orders: Mapping[str, list[int] | None] = dict.fromkeys(told)
        if not 0 < len(told) <= _ORDERS_PER_STEP:
            orders = queue.due_orders(_ORDERS_PER_STEP)
        busy = False
        for ref, seen in orders.items():
            room = 0 if self._draining else self._take_room()
            claims = queue.AtBirth(room)
            result = sync_order(ref, seen=seen, claims=claims)
            self._hand_out(claims.claimed, room)
            busy |= not result.skipped and not result.error
        return busy

    def _take_room(self) -> int:
        """Tell how many more calls may go out now; `_hand_out` gives back what is not made use of."""
        return pace(conf().calls_per_second).take(self.threads - self._open, time.monotonic())

    def _send_due(self) -> bool:
        idle, room = self.threads - self._open, self._take_room()
        claimed = queue.claim(room)
        used_up = len(claimed) == room
        self._draining = bool(claimed) and used_up
        self._held_back = pace(conf().calls_per_second).wait() if used_up and room < idle else None
        self._hand_out(claimed, room)
        return bool(claimed)

    def _hand_out(self, claimed: list[Claimed], room: int) -> None:
        """Give claimed rows to the senders. room: how many might have been claimed."""
        pace(conf().calls_per_second).give_back(room - len(claimed))
        for one in claimed:
            prepared = prepare(one)
            self._open += 1
            if isinstance(prepared, Result):
                self._inbox.put((prepared, None))
            else:
                client = self._clients.lend()
                self._send(Underway(client, sending(client, one, prepared)))

    def _send(self, call: Underway) -> None:
        """Write a request where that takes no time; else have a sender do it."""
        if not self._quick:
            self._to_sender(call)
            return
        try:
            waiting = call.begin()
        except StopIteration as ended:
            self._inbox.put((ended.value, call.client))
            return
        if waiting is None:
            self._to_sender(call)
        else:
            self._inbox.watch(call, waiting)

    def _to_sender(self, call: Underway) -> None:
        self._jobs.put(call)
        if len(self._senders) < min(self._open, self.threads):
            name = f"elevate-sender-{len(self._senders) + 1}"
            thread = threading.Thread(target=self._send_loop, name=name, daemon=True)
            self._senders.append(thread)
            thread.start()

    def _send_loop(self) -> None:
        while (call := self._jobs.get()) is not None:
            self._inbox.put((call.finish(), call.client))

    def _wait(self, seconds: float | None) -> None:
        """Sleep until an answer or a wake-up comes, `seconds` at most."""
        if self._inbox.watching:
            seconds = _SLOW if seconds is None else min(seconds, _SLOW)
        with suppress(Empty):
            self._keep(self._inbox.get(timeout=seconds))

    def _idle_seconds(self) -> float | None:
        if self._open and self._open >= self.threads:
            return None
        if self._held_back is not None:
            return self._held_back
        due = self._ahead.next
        if due is None:
            return self.poll
        # What is overdue and was not taken is locked by another worker, or the gate is shut: do not spin.
        return min(due if due > 0 else _BLOCKED, self.poll)

    def _beat(self) -> bool:
        """Leave a sign of life now and then. Tells whether that was due."""
        if time.monotonic() - self._last_heartbeat < _HEARTBEAT:
            return False
        self._last_heartbeat = time.monotonic()
        close_old_connections()
        using = database()
        if self._worked:
            plans.keep(using)
            self._worked = False
        rows = DeliveryState.objects.using(using)
        if not rows.filter(pk=1).update(heartbeat_at=DatabaseNow()):
            rows.update_or_create(pk=1, defaults={"heartbeat_at": DatabaseNow()})
        return True

    def _database_is_away(self, times: int) -> None:
        for connection in connections.all(initialized_only=True):
            try:
                connection.close()
            except DatabaseError:
                logger.debug(
                    "A broken connection could not be closed.",
                    extra=event("elevate.database.not_closed"),
                )
        self.stopping.wait(min(0.1 * 2 ** min(times, 6), 5.0))

    def _close(self) -> None:
        # After a run that broke off: what has come in may be a part of an answer, and needs a sender while there is one.
        if self._open:
            self._gather()
        for call in self._inbox.let_go():
            self._to_sender(call)
        for _ in self._senders:
            self._jobs.put(None)
        for thread in self._senders:
            thread.join()
        self._senders = []
        self._write_what_is_left()
        self._clients.close()
        self._inbox.close()

    def _write_what_is_left(self) -> None:
        """After a run that broke off: an answer that has come in must not turn into a doubt."""
        try:
            self._gather()
            self._settle()
        except Exception:
            # Not raised: it would hide the error that ended the run.
            count = len(self._unsettled)
            logger.exception(
                "%s answers could not be written; their registrations come back in doubt.",
                count,
                extra=event("elevate.answers.lost", number=count),
            )
