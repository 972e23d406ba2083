"""Wakes a worker process at once when another process commits an order: LISTEN/NOTIFY, on PostgreSQL only.

A wake-up that is lost costs nothing but time: the worker looks by itself every second all the same.
"""

from __future__ import annotations

import select
import selectors
from time import monotonic
from typing import Any

from django.db import DatabaseError, connections

from elevate_integration.delivery.inbox import Inbox, Underway
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
    if not can_listen():
        return
    try:
        _tell(CHANNEL, order_ref)
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
    django_connection = connections.create_connection(database())
    try:
        raw = _listening(django_connection, f"{CHANNEL}_doctor")
        _tell(f"{CHANNEL}_doctor", "")
        ends = monotonic() + seconds
        while monotonic() < ends:
            if _notified(raw, _LOOK_AGAIN):
                return True
        return False
    finally:
        django_connection.close()


class ListeningInbox(Inbox):
    """A worker's inbox that hears of orders besides: the database puts in as well.

    What was committed while nobody listened is not heard: with each new connection an "" comes in, which has the worker
    look by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._connection: Any = None
        self._connect_at = float("-inf")

    @property
    def listening(self) -> bool:
        """Whether the database can be heard now."""
        return self._connection is not None

    def close(self) -> None:
        """Stop listening, and let go of what it holds of the system."""
        self._disconnect()
        super().close()

    def _has_more_to_hear(self, seconds: float | None) -> bool:
        return super()._has_more_to_hear(seconds) or seconds is None or not 0 < seconds < _TOO_SHORT

    def _look(self, seconds: float) -> None:
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
        self._open().register(raw.fileno(), selectors.EVENT_READ, raw)
        self._items.put("")

    def _told(self, seconds: float) -> list[str]:
        """Wait for the database, an answer or a `put`; gives what the database tells, an answer is put in."""
        told: list[str] = []
        for key in self._ready(seconds):
            if isinstance(key.data, Underway):
                self._answered(key.data)
            else:
                told += _notified(key.data, _LOOK_NOW)
        return told

    def _disconnect(self) -> None:
        if self._connection is None:
            return
        selector = self._open()
        for key in list(selector.get_map().values()):
            if key.data is not None and not isinstance(key.data, Underway):
                selector.unregister(key.fileobj)
        self._connection.close()
        self._connection = None


def _tell(channel: str, text: str) -> None:
    connection = connections[database()]
    # The command is quicker than the function, but takes no parameter of the server's.
    by_server = connection.settings_dict["OPTIONS"].get("server_side_binding")
    statement = f"SELECT pg_notify('{channel}', %s)" if by_server else f"NOTIFY {channel}, %s"
    with connection.cursor() as cursor:
        cursor.execute(statement, [text])


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
