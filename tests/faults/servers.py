"""A PostgreSQL of our own that restarts, or ends its connections, in the middle of a drain."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from elevate_integration.testing import FakeElevate
from tests.engines.shops import Process, Shop
from tests.faults.count import Tally, wait_until

THREADS = 3
WORKERS = 2
LATENCY = 0.05


def free_port() -> int:
    """Give a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = shutil.which(name) or (str(found[-1]) if found else "")
    if not path:
        pytest.skip(f"PostgreSQL's {name} is not installed")
    return path


class Postgres:
    """A server in a folder of its own, which any test may disturb."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.databases = 0
        self._pg_ctl, initdb = _program("pg_ctl"), _program("initdb")
        self._data, self._log = folder / "data", folder / "log"
        self._as: list[str] = []
        if os.geteuid() == 0:
            # The server refuses to run as root.
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        self._run(initdb, "-D", str(self._data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        self._control("start", "-o", options)

    def _control(self, *command: str) -> None:
        self._run(self._pg_ctl, "-D", str(self._data), "-l", str(self._log), "-w", *command)

    def _run(self, *command: str) -> None:
        ended = subprocess.run(
            [*self._as, *command], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr

    def new_database(self) -> str:
        """Make an empty database and give its name."""
        self.databases += 1
        name = f"shop{self.databases}"
        self._run(_program("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return name

    def restart(self, mode: str) -> None:
        """Restart: `fast` ends connections politely, `immediate` is a crash."""
        self._control("restart", "-m", mode)

    def stop(self) -> None:
        """End it."""
        self._control("stop", "-m", "immediate")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Give a server, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="elevate-postgres-"))
    try:
        server = Postgres(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Office:
    """A shop on that server, with workers of its own."""

    def __init__(self, folder: Path, elevate: FakeElevate, server: Postgres) -> None:
        elevate.latency = LATENCY
        self.elevate = elevate
        database = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": server.new_database(),
            "USER": "postgres",
            "HOST": "127.0.0.1",
            "PORT": server.port,
        }
        # Shorter than the time-outs of the package, and longer than any restart.
        seconds = {"READ_TIMEOUT": 5.0, "CALL_DEADLINE": 8.0, "LEASE": 25.0, "DISPATCHER": "worker"}
        settings = f'\nDATABASES = {{"default": {database!r}}}\nELEVATE.update({seconds!r})\n'
        self.shop = Shop(folder, elevate, settings, {})
        self.workers: list[Process] = []
        self.people: list[str] = []

    def sell(self, rows: int) -> None:
        """Sell courses to new people, in a transaction each."""
        new = [f"M-{len(self.people) + number}" for number in range(rows)]
        self.people += new
        self._do(f"for person in {new!r}:\n    with transaction.atomic(): sell(person)")

    def start(self) -> None:
        """Start the workers."""
        command = ("-m", "django", "elevate_worker", "--threads", str(THREADS), "--poll", "0.05")
        self.workers = [Process(self.shop, *command) for _ in range(WORKERS)]

    def wait_for_share(self, part: float) -> None:
        """Wait until so much of what was sold is registered at Elevate."""
        enough = len(self.people) * part
        wait_until(
            lambda: len(self.elevate.live()) >= enough, what=f"{part:.0%} delivered\n{self.shop.log()}"
        )

    def end_connections(self) -> int:
        """Have the server end every connection but the one that asks; gives how many there were."""
        code = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                   " AND datname = current_database()")
    found["ended"] = cursor.fetchone()[0]
"""
        return int(self._do(code)["ended"])

    def finish(self, title: str, **more: Any) -> None:
        """Wait for the end, count, and check that nobody is lost or doubled."""
        code = """
found["open"] = OrderMark.objects.count() + Registration.objects.exclude(due_at=None).count()
found["statuses"] = Registration.objects.by_status()
"""
        wait_until(lambda: not self._do(code)["open"], what=f"everything is delivered\n{self.shop.log()}")
        tally = Tally(self.elevate, self.people)
        alive = sum(worker.popen.poll() is None for worker in self.workers)
        tally.report(title, **more, workers_that_lived_through_it=alive)
        assert alive == WORKERS, self.shop.log()
        assert not tally.lost
        # The answers were kept in memory while the database was away: none was lost, so none may be doubled.
        assert not tally.doubled
        assert self._do(code)["statuses"] == {"registered": len(self.people)}

    def _do(self, code: str) -> dict[str, Any]:
        return self.shop.do(f"from django.db import connections\nconnections.close_all()\n{code}")

    def close(self) -> None:
        """End everything."""
        for worker in self.workers:
            worker.kill()
        self.shop.close()


def restart_in_a_drain(office: Office, server: Postgres, *, rows: int, modes: list[str]) -> None:
    """Restart the server while registrations are delivered, once for each mode."""

    def disturb(number: int) -> None:
        server.restart(modes[number])

    _disturbed_drain(office, rows=rows, times=len(modes), disturb=disturb)
    office.finish(f"PostgreSQL restarted {len(modes)} times", modes="/".join(sorted(set(modes))))


def end_connections_in_a_drain(office: Office, *, rows: int, times: int) -> None:
    """End the workers' connections again and again while registrations are delivered."""
    ended: list[int] = []
    _disturbed_drain(office, rows=rows, times=times, disturb=lambda _: ended.append(office.end_connections()))
    office.finish(f"Connections ended {times} times", connections_ended=sum(ended))
    assert sum(ended) >= times


def _disturbed_drain(office: Office, *, rows: int, times: int, disturb: Callable[[int], None]) -> None:
    office.sell(rows)
    office.start()
    for number in range(times):
        office.wait_for_share((number + 0.5) / times)
        disturb(number)
