"""What every benchmark stands on: a database of its own, the server, processes whose CPU and memory are counted."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import requests

POSTGRES_URL = os.environ.get("POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/elevate")
MARIADB_URL = os.environ.get("MARIADB_URL", "mysql://root@127.0.0.1:3306/elevate")
PATIENCE = 300.0
_NUMBERS = itertools.count(1)


@contextlib.contextmanager
def new_database(url: str) -> Iterator[str]:
    """Make an empty database on the server of `url`, give its URL, and drop it afterwards."""
    parts = urlsplit(url)
    name = f"elevate_bench_{os.getpid()}_{next(_NUMBERS)}"
    execute = _on_postgres if parts.scheme.startswith("postgres") else _on_mariadb
    execute(parts, f"DROP DATABASE IF EXISTS {name}")
    execute(parts, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        force = " WITH (FORCE)" if execute is _on_postgres else ""
        execute(parts, f"DROP DATABASE IF EXISTS {name}{force}")


def _on_postgres(parts: Any, statement: str) -> None:
    import psycopg

    given = {"user": parts.username, "password": parts.password, "host": parts.hostname, "port": parts.port}
    with psycopg.connect(dbname="postgres", autocommit=True, **given) as connection:
        connection.execute(statement)


def _on_mariadb(parts: Any, statement: str) -> None:
    import MySQLdb

    options = " CHARACTER SET utf8mb4" if statement.startswith("CREATE") else ""
    given = {"user": parts.username, "password": parts.password or "", "host": parts.hostname}
    connection = MySQLdb.connect(port=parts.port or 3306, **given)
    with connection, contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(statement + options)


def set_up(*, tables: bool) -> None:
    """Set Django up in this process, and make the tables if asked to."""
    import django
    from django.core.management import call_command

    django.setup()
    if tables:
        call_command("migrate", run_syncdb=True, verbosity=0)


class Processes:
    """Python processes that run beside each other, ended together."""

    def __init__(self, commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> None:
        given = {**os.environ, **environment, "PYTHONWARNINGS": "ignore"}
        self._popen = [
            subprocess.Popen(
                [sys.executable, *command],
                env=given,
                stdout=subprocess.DEVNULL,
                stderr=None if os.environ.get("BENCH_LOUD") else subprocess.DEVNULL,
            )
            for command in commands
        ]

    def all(self) -> list[psutil.Process]:
        """Give these processes and their children, those that live."""
        found = []
        for popen in self._popen:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(popen.pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def cpu(self) -> float:
        """Give the CPU seconds that they have used."""
        total = 0.0
        for process in self.all():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory(self) -> Memory:
        """Give what they hold now, summed over the processes."""
        total = Memory(0.0, 0.0, 0.0)
        for process in self.all():
            with contextlib.suppress(psutil.NoSuchProcess):
                info = process.memory_full_info()
                total = Memory(
                    total.rss + info.rss / 1e6, total.pss + info.pss / 1e6, total.uss + info.uss / 1e6
                )
        return total

    def check(self) -> None:
        """Raise RuntimeError when one of them has ended by itself."""
        for popen in self._popen:
            if popen.poll() not in (None, 0):
                raise RuntimeError(f"{popen.args} ended with status {popen.returncode}; set BENCH_LOUD=1.")

    def stop(self) -> None:
        """End them: first kindly."""
        everyone = self.all()
        for popen in self._popen:
            popen.terminate()
        for popen in self._popen:
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(timeout=10)
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for popen in self._popen:
            popen.wait()


@dataclass(frozen=True)
class Memory:
    """Megabytes: resident, resident with shared pages divided among their users, and unshared."""

    rss: float
    pss: float
    uss: float


@contextlib.contextmanager
def processes(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str] | None = None
) -> Iterator[Processes]:
    """Run these commands until the block ends."""
    started = Processes(commands, environment or {})
    try:
        yield started
    finally:
        started.stop()


class Elevate:
    """The fast server in a process of its own. `environment` is what our and the rivals' workers must know of it."""

    def __init__(self, *, latency: float, arrivals: bool) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.fast_elevate", "--latency", str(latency)]
        if arrivals:
            command.append("--arrivals")
        self._popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._popen.stdout is not None
        self.url, self.ca, self.many_cas = self._popen.stdout.readline().split()
        self._session = requests.Session()
        self._session.verify, self._session.trust_env = self.ca, False

    def environment(self, *, many_cas: bool = True) -> dict[str, str]:
        """Give where the server is, and the certificates to trust: the public ones too, as outside, or its own alone."""
        return {"BENCH_URL": self.url, "BENCH_CA": self.many_cas if many_cas else self.ca}

    def stats(self) -> dict[str, Any]:
        """Give the count of calls, the times of the first and the last one, its CPU seconds, and who arrived when."""
        told: dict[str, Any] = self._session.get(f"{self.url}/stats", timeout=10).json()
        return told

    def stop(self) -> None:
        """End it."""
        self._session.close()
        self._popen.terminate()
        self._popen.wait()
        for path in (self.ca, self.many_cas):
            os.unlink(path)


@contextlib.contextmanager
def elevate(*, latency: float = 0.0, arrivals: bool = False) -> Iterator[Elevate]:
    """Run the fast server until the block ends."""
    server = Elevate(latency=latency, arrivals=arrivals)
    try:
        yield server
    finally:
        server.stop()


def database_cpu() -> float:
    """Give the CPU seconds of this database's PostgreSQL backends that live; 0 where it runs on another machine."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        pids = [row[0] for row in cursor.fetchall()]
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def wait_until(condition: Any, *, every: float = 0.02, patience: float = PATIENCE, alive: Any = None) -> None:
    """Ask until the condition holds. Raises TimeoutError after `patience` seconds without it."""
    ends = time.monotonic() + patience
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"It did not come true within {patience:.0f} s.")
        if alive is not None:
            alive.check()
        time.sleep(every)


def forget_redis_queues() -> None:
    """Drop what this run's engines left in Redis: lists and sets under its queue's name."""
    import redis
    from django.conf import settings

    client: Any = redis.Redis.from_url(settings.REDIS_URL)
    for pattern in (f"*{settings.BENCH_QUEUE}*", "_kombu.binding.*bench*"):
        for key in client.scan_iter(pattern):
            client.delete(key)
    client.delete("unacked", "unacked_index", "unacked_mutex")
    client.close()
