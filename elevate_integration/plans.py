"""What a worker asks again and again, PostgreSQL plans once. Knows connections and their driver, no tables.

Measured: on a connection that has just been idle, parsing and planning take longer than running what was planned. Only
where a connection reaches PostgreSQL itself: a pooler may lend the next transaction a session that has no such plans.
Psycopg 3 alone can do it, by its prepared statements; everything else asks in the usual way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, OperationalError, connections

from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger

logger = get_logger(__name__)

_PLANS = "_elevate_plans"
# How often psycopg sends a statement before it has it prepared. PostgreSQL then compares five plans before it keeps one.
_SENT_BEFORE = 3
# PostgreSQL's manual, "Error Codes": a column has another type than the plan says; a plan is missing, or another's.
_OUTDATED = "0A000"
_OF_ANOTHER_SESSION = frozenset({"26000", "42P05"})
# Databases whose sessions turned out to change under a connection.
_lent: set[str] = set()


@dataclass
class _Plans:
    """What is known of one of the driver's connections. usable: whether it keeps plans. used: since they were made."""

    raw: Any
    usable: bool
    used: bool = False
    outdated: bool = False


def keep(using: str) -> None:
    """Have plans kept on this thread's connection from now on. To be called now and then, outside a transaction.

    Plans that were used since the last call are made anew, since tables grow. It costs one query on a new connection
    and one where plans were used, else none. Raises what the database raises.
    """
    connection: Any = connections[using]
    if connection.vendor != "postgresql" or not conf().keep_plans or using in _lent:
        return
    connection.ensure_connection()
    plans: _Plans | None = connection.__dict__.get(_PLANS)
    if plans is not None and plans.outdated and plans.raw is connection.connection:
        # Only a new session forgets for certain what was prepared.
        connection.close()
        connection.ensure_connection()
    if plans is None or plans.raw is not connection.connection:
        connection.__dict__[_PLANS] = _Plans(connection.connection, usable=_reaches_the_server(connection))
    elif plans.used:
        plans.used = False
        with connection.cursor() as cursor:
            cursor.execute("DISCARD PLANS")


def _reaches_the_server(connection: Any) -> bool:
    """Tell whether the session that answers is the one that was opened.

    A pooler that lends sessions names its clients process IDs of its own (PgBouncer: its cancel key is random).
    """
    raw = connection.connection
    if not hasattr(raw, "prepare_threshold"):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return bool(cursor.fetchone()[0] == raw.info.backend_pid)


@contextmanager
def planned_once(connection: Any) -> Iterator[None]:
    """Have the statements within planned once, where `keep` allowed it on this connection.

    Raises OperationalError where a kept plan could not be used: run the transaction again, and it is planned anew.
    """
    plans: _Plans | None = connection.__dict__.get(_PLANS)
    if plans is None or not plans.usable or plans.raw is not connection.connection:
        yield
        return
    from django.db.backends.postgresql.base import ServerBindingCursor

    raw = plans.raw
    before = raw.cursor_factory, raw.prepare_threshold
    raw.cursor_factory, raw.prepare_threshold = ServerBindingCursor, _SENT_BEFORE
    plans.used = True
    try:
        yield
    except DatabaseError as error:
        why = _unusable(error)
        if why is None:
            raise
        plans.usable, plans.outdated = False, True
        if why in _OF_ANOTHER_SESSION:
            _lent.add(connection.alias)
        logger.warning(
            "PostgreSQL could not use a plan that it had kept; the transaction is run again.",
            extra=event("elevate.database.plan_unusable", sqlstate=why),
        )
        raise OperationalError("A plan that PostgreSQL had kept could not be used.") from error
    finally:
        raw.cursor_factory, raw.prepare_threshold = before


def _unusable(error: DatabaseError) -> str | None:
    """Give the SQLSTATE of an error that tells of a kept plan, None for any other error."""
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    if state in _OF_ANOTHER_SESSION or (state == _OUTDATED and "cached plan" in str(error)):
        return state
    return None
