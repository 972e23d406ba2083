"""Wakes a worker process at once when another process commits an order: LISTEN/NOTIFY, on PostgreSQL only.

A wake-up that is lost costs nothing but time: the worker looks by itself every second all the same.
"""

from __future__ import annotations

import os
import select
import selectors
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from django.db import DatabaseError, connections

from elevate_integration.events import event, get_logger
from elevate_integration.models import database

logger = get_logger(__name__)

CHANNEL = "elevate_integration"
# Seconds.
_LOOK_AGAIN = 1.0
_LOOK_NOW = 0.001
_WAIT_AFTER_FAILURE = 5.0
# A wait so short that the database need not be heard meanwhile.
_TOO_SHORT = 0.005


def can_listen() -> bool:
    """Tell whether the database of our tables can wake a worker."""
    return connections[database()].vendor == "postgresql"


def notify(order_ref: str = "") -> None:
    """Wake every listening worker, and tell it an order if one is given. One round trip; what goes wrong is logged."""
    using = database()
    if connections[using].vendor != "postgresql":
        return
    try:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, order_ref])
    except DatabaseError:
        logger.warning(
            "The worker could not be notified; it looks by itself within a second.",
            exc_info=True,
            extra=event("elevate.listener.not_notified"),
        )


def hears(seconds: float) -> bool:
    """Tell whether a notification reaches another connection within some seconds, on a channel that wakes nobody.

    A pooler that lends a connection for a transaction only forgets who listens. Raises what the driver raises.
    """
    using = database()
    django_connection = connections.create_connection(using)
    try:
        raw = _listening(django_connection, f"{CHANNEL}_doctor")
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [f"{CHANNEL}_doctor"])
        ends = monotonic() + seconds
        while monotonic() < ends:
            if _notified(raw, _LOOK_AGAIN):
                return True
        return False
    finally:
        django_connection.close()


class Inbox:
    """A worker's inbox that hears of orders besides: a `SimpleQueue` into which the database puts as well.

    `put` is for any thread and for signal handlers, the rest for the thread of the loop. What was committed while nobody
    listened is not heard: with each new connection an "" comes in, which has the worker look by itself.
    """

    def __init__(self) -> None:
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._cord = os.pipe()
        for end in (self._bell, self._cord):
            os.set_blocking(end, False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._asleep = False
        self._connection: Any = None
        self._connect_at = float("-inf")

    def put(self, item: Any) -> None:
        """Put something in, and wake whoever waits."""
        self._items.put(item)
        if self._asleep:
            # Full only when it has been rung thousands of times already.
            with suppress(BlockingIOError):
                os.write(self._cord, b"!")

    def get_nowait(self) -> Any:
        """Give what has come in. Raises `queue.Empty` when nothing has."""
        with suppress(Empty):
            return self._items.get_nowait()
        self._listen(0.0)
        return self._items.get_nowait()

    def get(self, timeout: float | None = None) -> Any:
        """Wait until something comes in, `timeout` seconds at most. Raises `queue.Empty` after them."""
        if timeout is not None and timeout < _TOO_SHORT:
            return self._items.get(timeout=timeout)
        ends = None if timeout is None else monotonic() + timeout
        while True:
            with suppress(Empty):
                return self._items.get_nowait()
            left = _LOOK_AGAIN if ends is None else ends - monotonic()
            if left <= 0:
                raise Empty
            self._listen(min(left, _LOOK_AGAIN))

    @property
    def listening(self) -> bool:
        """Whether the database can be heard now."""
        return self._connection is not None

    def close(self) -> None:
        """Stop listening."""
        self._disconnect()
        self._selector.close()
        os.close(self._bell)
        os.close(self._cord)

    def _listen(self, seconds: float) -> None:
        try:
            self._connect()
            for order_ref in dict.fromkeys(self._told(seconds)):
                self._items.put(order_ref)
        except Exception:
            # Whatever the driver raises when a server goes away, the cure is a new connection.
            logger.warning(
                "Listening for notifications broke off; trying again.",
                exc_info=True,
                extra=event("elevate.listener.failed"),
            )
            self._disconnect()
            self._connect_at = monotonic() + _WAIT_AFTER_FAILURE

    def _connect(self) -> None:
        if self._connection is not None or monotonic() < self._connect_at:
            return
        self._connection = connections.create_connection(database())
        raw = _listening(self._connection, CHANNEL)
        # By its number: a connection that has broken does not tell it any more.
        self._selector.register(raw.fileno(), selectors.EVENT_READ, raw)
        self._items.put("")

    def _told(self, seconds: float) -> list[str]:
        """Wait for the database or for a `put`, and give what the database tells."""
        self._asleep = True
        try:
            # What was put in before anybody could see that we sleep rang no bell.
            ready = self._selector.select(seconds if self._items.empty() else 0.0)
        finally:
            self._asleep = False
        told: list[str] = []
        for key, _ in ready:
            if key.data is None:
                os.read(self._bell, 4096)
            else:
                told += _notified(key.data, _LOOK_NOW)
        return told

    def _disconnect(self) -> None:
        if self._connection is None:
            return
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._selector.unregister(key.fileobj)
        self._connection.close()
        self._connection = None


def _listening(django_connection: Any, channel: str) -> Any:
    """Have a connection of its own listen, and give the driver's."""
    django_connection.ensure_connection()
    raw: Any = django_connection.connection
    raw.autocommit = True
    with raw.cursor() as cursor:
        cursor.execute(f"LISTEN {channel}")
    return raw


def _notified(raw: Any, seconds: float) -> list[str]:
    """Wait some seconds for notifications, and give what all that have come say. psycopg 3 and psycopg2."""
    if hasattr(raw, "notifies") and callable(raw.notifies):
        return [told.payload for told in raw.notifies(timeout=seconds, stop_after=1)]
    if not select.select([raw], [], [], seconds)[0]:
        return []
    raw.poll()
    heard = [told.payload for told in raw.notifies]
    raw.notifies.clear()
    return heard
