"""Wakes a worker process at once when another process commits an order: LISTEN/NOTIFY, on PostgreSQL only.

A wake-up that is lost costs nothing but time: the worker looks by itself every second all the same.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from django.db import DatabaseError, connections

from elevate_integration.events import event, get_logger
from elevate_integration.models import database

logger = get_logger(__name__)

CHANNEL = "elevate_integration"
_LOOK_AT_STOP = 1.0
_WAIT_AFTER_FAILURE = 5.0


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
        django_connection.ensure_connection()
        raw: Any = django_connection.connection
        raw.autocommit = True
        with raw.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}_doctor")
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [f"{CHANNEL}_doctor"])
        ends = monotonic() + seconds
        while monotonic() < ends:
            if _notified(raw):
                return True
        return False
    finally:
        django_connection.close()


class Listener:
    """A thread with a connection of its own that calls `heard` with each order told of, until `stop()`."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="elevate-listener", daemon=True)
        self.listening = threading.Event()

    def start(self) -> None:
        """Start listening; comes back at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, within a second."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except Exception:
                # Whatever the driver raises when a server goes away, the cure is a new connection.
                logger.warning(
                    "Listening for notifications broke off; trying again.",
                    exc_info=True,
                    extra=event("elevate.listener.failed"),
                )
                self._stopping.wait(_WAIT_AFTER_FAILURE)
            finally:
                self.listening.clear()

    def _listen(self) -> None:
        django_connection = connections.create_connection(database())
        try:
            django_connection.ensure_connection()
            raw: Any = django_connection.connection
            raw.autocommit = True
            with raw.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self.listening.set()
            # What was committed before we listened would not be heard.
            self._heard("")
            while not self._stopping.is_set():
                for order_ref in dict.fromkeys(_notified(raw)):
                    self._heard(order_ref)
        finally:
            django_connection.close()


def _notified(raw: Any) -> list[str]:
    """Wait up to a second for notifications, and give what all that have come say. psycopg 3 and psycopg2."""
    if hasattr(raw, "notifies") and callable(raw.notifies):
        return [told.payload for told in raw.notifies(timeout=_LOOK_AT_STOP, stop_after=1)]
    if not select.select([raw], [], [], _LOOK_AT_STOP)[0]:
        return []
    raw.poll()
    heard = [told.payload for told in raw.notifies]
    raw.notifies.clear()
    return heard
