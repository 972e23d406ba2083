"""Makes the database that all Tendenci tests copy, and the copies. Knows PostgreSQL and the host's own commands only.

`python -m tests.hosts.tendenci.database make postgres://postgres@127.0.0.1:5432/name` makes it, which takes minutes;
`drop` drops it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql

REPOSITORY = Path(__file__).parents[3]

# The first one fails at its end, after it has made the tables without which the site's addresses cannot be loaded.
COMMANDS = (
    (("migrate", "--noinput", "--skip-checks", "site_settings"), False),
    (("migrate", "--noinput", "--skip-checks"), True),
    (("update_settings",), True),
    (("populate_default_entity",), True),
    (("populate_entity_and_auth_group_columns",), True),
    (("loaddata", "initial_data.json", "tendenci_default_paymentmethod.json"), True),
)


def name_of(url: str) -> str:
    """Give the database's name."""
    return urlsplit(url).path[1:]


def beside(url: str, name: str) -> str:
    """Give the address of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def _server(url: str) -> Iterator[Any]:
    connection = psycopg2.connect(beside(url, "postgres"), connect_timeout=10)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def copy(url: str, name: str) -> str:
    """Copy a database that nobody uses and give the copy's address; a copy of that name is dropped before."""
    with _server(url) as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        # Copying the files is quicker here than PostgreSQL's default of writing each page to the log.
        cursor.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(name_of(url))
            )
        )
    return beside(url, name)


def drop(url: str) -> None:
    """Drop a database, whoever uses it."""
    with _server(url) as cursor:
        cursor.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name_of(url)))
        )


def make(url: str) -> None:
    """Make a database with Tendenci in it and nothing else. Raises CalledProcessError with the command's output."""
    drop(url)
    with _server(url) as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name_of(url))))
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION postgis")
    connection.close()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.hosts.tendenci.settings",
        "TENDENCI_DATABASE_URL": url,
        "TENDENCI_WITHOUT_ELEVATE": "yes",
        "PGOPTIONS": "-c synchronous_commit=off",
    }
    for command, must_succeed in COMMANDS:
        subprocess.run(
            [sys.executable, "-Wi", "-m", "django", *command],
            cwd=REPOSITORY,
            env=environment,
            check=must_succeed,
            stdout=subprocess.DEVNULL,
            stderr=None if must_succeed else subprocess.DEVNULL,
        )


# Rows that a site is born with and that tests change: they are put back from a copy. In other tables what came is removed.
_CHANGED = (
    "auth_user",
    "profiles_profile",
    "site_settings_setting",
    "events_event",
    "events_regconfpricing",
    "elevate_integration_productmapping",
    "elevate_integration_deliverystate",
)


@dataclass(frozen=True)
class State:
    """What a database holds before the tests: the highest ID of each table that has one, as (table, ID)."""

    highest: tuple[tuple[str, int], ...]


def remember(cursor: Any) -> State:
    """Note what is there, and keep a copy of the rows that tests change."""
    cursor.execute("CREATE SCHEMA kept")
    for table in _CHANGED:
        names = {"kept": sql.Identifier("kept", table), "table": sql.Identifier("public", table)}
        cursor.execute(sql.SQL("CREATE TABLE {kept} AS SELECT * FROM {table}").format(**names))
    cursor.execute(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'id'"
        " AND data_type IN ('integer', 'bigint')"
    )
    tables = sorted({row[0] for row in cursor.fetchall()} - set(_CHANGED))
    return State(tuple(_highest(cursor, tables).items()))


def restore(cursor: Any, state: State) -> None:
    """Make the database what it was. As a replica PostgreSQL checks no foreign key, so the order does not matter."""
    before = dict(state.highest)
    cursor.execute("SET session_replication_role = replica")
    for table, highest in _highest(cursor, before).items():
        if highest > before[table]:
            rows = sql.SQL("DELETE FROM {} WHERE id > %s").format(sql.Identifier("public", table))
            cursor.execute(rows, [before[table]])
    for table in _CHANGED:
        names = {"kept": sql.Identifier("kept", table), "table": sql.Identifier("public", table)}
        cursor.execute(sql.SQL("DELETE FROM {table}").format(**names))
        cursor.execute(sql.SQL("INSERT INTO {table} SELECT * FROM {kept}").format(**names))
    cursor.execute("SET session_replication_role = DEFAULT")


def _highest(cursor: Any, tables: Iterable[str]) -> dict[str, int]:
    one = sql.SQL("SELECT {}, COALESCE(MAX(id), 0) FROM {}")
    parts = [one.format(sql.Literal(table), sql.Identifier("public", table)) for table in tables]
    cursor.execute(sql.SQL(" UNION ALL ").join(parts))
    return dict(cursor.fetchall())


if __name__ == "__main__":
    _do, _url = {"make": make, "drop": drop}[sys.argv[1]], sys.argv[2]
    _started = time.monotonic()
    _do(_url)
    sys.stdout.write(f"{sys.argv[1]} {name_of(_url)}: {time.monotonic() - _started:.0f}s.\n")
