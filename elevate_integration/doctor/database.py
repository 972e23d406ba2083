"""The database that holds our tables: reachable, migrated, new enough, with the features that delivery relies on."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from elevate_integration.clock import database_now
from elevate_integration.delivery.listener import hears
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding, some
from elevate_integration.doctor.settings import as_finding, own_messages
from elevate_integration.models import Registration, database

# Seconds between two clocks: beyond the first people wonder, beyond the second certificates and links fail.
CLOCK_WARNING, CLOCK_ERROR = 5.0, 300.0
_LISTEN_SECONDS = 3.0


def look_at_tables() -> Iterator[Finding]:
    """Tell whether the database answers and is migrated."""
    using = database()
    how = f"The migrations on `{using}` were compared with those of the package."
    try:
        executor = MigrationExecutor(connections[using])
        label = Registration._meta.app_label
        targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == label]
        plan = executor.migration_plan(targets)
    except DatabaseError as error:
        text = f"The database `{using}` cannot be used: {type(error).__name__}."
        mend = "Start it, correct DATABASES, or bring it to a version that this Django supports."
        yield Finding(ERROR, "database.tables", text, "A connection was tried.", mend)
        return
    if plan:
        text = f"{some(len(plan), 'migration is', 'migrations are')} missing on `{using}`."
        yield Finding(ERROR, "database.tables", text, how, "Run `manage.py migrate`.")
        return
    yield Finding(OK, "database.tables", "The tables are up to date.", how)


def look_at_database() -> Iterator[Finding]:
    """Tell version, features and clock; ask for nothing that writes."""
    using = database()
    connection: Any = connections[using]
    yield _version(connection)
    yield from (as_finding(message, "database.charset") for message in own_messages(databases=[using]))
    if connection.vendor == "sqlite":
        yield from _sqlite(connection)
    else:
        yield _skip_locked(connection)
        yield from _isolation(connection)
    yield _clock(using)
    if connection.vendor == "postgresql":
        yield _listening()


def _version(connection: Any) -> Finding:
    version = ".".join(str(part) for part in connection.get_database_version())
    oldest = ".".join(str(part) for part in connection.features.minimum_database_version or ())
    name = connection.display_name
    if getattr(connection, "mysql_is_mariadb", False):
        name = "MariaDB"
    data = {"vendor": name, "version": version, "needed": oldest}
    text = f"{name} {version}; this Django needs {oldest or 'any version'} or newer."
    return Finding(OK, "database.version", text, "The server told its version.", data=data)


def _skip_locked(connection: Any) -> Finding:
    how = "Django knows by the server's version whether it has SKIP LOCKED."
    if connection.features.has_select_for_update_skip_locked:
        text = "Several workers can share the work without waiting for each other (SKIP LOCKED)."
        return Finding(OK, "database.skip_locked", text, how)
    text = "Several workers would wait for each other: this server has no SKIP LOCKED."
    mend = "Run one worker, or use MariaDB 10.6, MySQL 8.0.1 or PostgreSQL."
    return Finding(WARNING, "database.skip_locked", text, how, mend)


def _sqlite(connection: Any) -> Iterator[Finding]:
    mode = str(connection.settings_dict.get("OPTIONS", {}).get("transaction_mode") or "DEFERRED").upper()
    fine = mode in ("IMMEDIATE", "EXCLUSIVE")
    yield Finding(
        OK if fine else WARNING,
        "database.transaction_mode",
        f"SQLite begins transactions {mode}.",
        'Read from "transaction_mode" in the OPTIONS of DATABASES.',
        "" if fine else 'Set "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20}.',
    )
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        journal = str(cursor.fetchone()[0]).upper()
    fine = journal in ("WAL", "MEMORY")
    yield Finding(
        OK if fine else WARNING,
        "database.journal_mode",
        f"SQLite's journal is {journal}" + ("." if fine else ", so readers and writers wait for each other."),
        "SQLite was asked for its journal_mode.",
        "" if fine else 'Add "init_command": "PRAGMA journal_mode=WAL;" to the OPTIONS of DATABASES.',
    )


def _isolation(connection: Any) -> Iterator[Finding]:
    is_mariadb = getattr(connection, "mysql_is_mariadb", False)
    name = "@@tx_isolation" if is_mariadb else "@@transaction_isolation"
    asked = "SHOW transaction_isolation" if connection.vendor == "postgresql" else f"SELECT {name}"
    try:
        with connection.cursor() as cursor:
            cursor.execute(asked)
            level = str(cursor.fetchone()[0]).lower().replace("-", " ")
    except DatabaseError:
        return
    fine = level == "read committed"
    yield Finding(
        OK if fine else WARNING,
        "database.isolation",
        f"Transactions are isolated as “{level}”"
        + ("." if fine else ", so more of them are given up and run again under load."),
        "The connection was asked for its isolation level.",
        "" if fine else "Use “read committed”, Django's default, in the OPTIONS of DATABASES if you can.",
    )


def clock_difference(using: str) -> tuple[float, float]:
    """Give by how many seconds the database's clock is ahead of this machine's, and the round trip of the question.

    The best of three: the shorter the round trip, the less can hide in it.
    """
    measured = []
    for _ in range(3):
        here, began = timezone.now(), monotonic()
        there = database_now(using)
        trip = monotonic() - began
        measured.append((trip, (there - here).total_seconds() - trip / 2))
    trip, ahead = min(measured)
    return ahead, trip


def _clock(using: str) -> Finding:
    ahead, trip = clock_difference(using)
    off = abs(ahead)
    level = ERROR if off > CLOCK_ERROR else WARNING if off > CLOCK_WARNING else OK
    side = "ahead of" if ahead > 0 else "behind"
    return Finding(
        level,
        "database.clock",
        f"The database's clock is {off:.1f} seconds {side} this machine's.",
        f"The database was asked for the time; the answer took {trip * 1000:.0f} ms, of which half was taken off.",
        "" if level == OK else "Let both machines take their time from the same source (NTP).",
        {"seconds_ahead": round(ahead, 3)},
    )


def _listening() -> Finding:
    how = "A notification was sent over one connection and awaited on another."
    mend = (
        "Let the worker connect to PostgreSQL itself, or through a pooler in session mode. It works without, a second"
        " later."
    )
    try:
        heard = hears(_LISTEN_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is the finding
        text = f"A second connection to wake a worker by could not be used: {type(error).__name__}."
        return Finding(WARNING, "database.listen", text, how, mend)
    if heard:
        return Finding(OK, "database.listen", "The database can wake a worker at once (LISTEN).", how)
    text = "The database cannot wake a worker: perhaps a pooler in transaction mode stands before it."
    return Finding(WARNING, "database.listen", text, how, mend)
