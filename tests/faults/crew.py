"""Worker processes by the hundred: one process loads Django once, and forks a real worker whenever it is asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db import connection

from elevate_integration.testing import FakeElevate
from tests.faults.count import wait_until

ROOT = Path(__file__).parent.parent.parent

# Every call says which process made it: whoever reads a registration at Elevate then knows who registered it.
_SETTINGS = """
from __future__ import annotations

import os

from tests.settings import *

DATABASES["default"]["NAME"] = {database!r}
ELEVATE = {{
    **ELEVATE,
    "URL": {url!r},
    "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    "PAYLOAD": lambda row: {{"explanation": str(os.getpid())}},
    **{options!r},
}}
"""

_FORK = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
import elevate_integration.management.commands.elevate_worker
connection.vendor
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    threads, code = eval(line)
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        continue
    status = 1
    try:
        exec(code, {})
        call_command("elevate_worker", threads=threads, poll=0.05, stdout=sys.stderr)
        status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
"""

# What a test's workers use unless told otherwise: seconds that fit a test, and a lease that outlives a busy machine.
OPTIONS: dict[str, Any] = {
    "RETRY_FIRST": 0.1,
    "RETRY_CEILING": 0.5,
    "PROBE_INTERVAL": 0.2,
    "READ_TIMEOUT": 2.0,
    "CALL_DEADLINE": 3.0,
    "LEASE": 5.0,
}


class Crew:
    """Workers on the database of this test. `alive` lists the process IDs of those that nobody killed."""

    def __init__(self, folder: Path, elevate: FakeElevate, options: dict[str, Any]) -> None:
        self.alive: list[int] = []
        self.killed: list[int] = []
        text = _SETTINGS.format(
            database=connection.settings_dict["NAME"], url=elevate.url, options={**OPTIONS, **options}
        )
        (folder / "crew_settings.py").write_text(text)
        self._log = folder / "crew.log"
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crew_settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        }
        with self._log.open("w") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", _FORK],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._read() == "ready"

    def _read(self) -> str:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline().strip()
        assert line, self.log()
        return line

    def log(self) -> str:
        """Give the end of what the workers wrote."""
        return self._log.read_text(errors="replace")[-6000:]

    def hire(self, *, threads: int = 3, code: str = "") -> int:
        """Start a worker and give its process ID. `code` runs in it before it begins."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(f"{(threads, code)!r}\n")
        self._popen.stdin.flush()
        pid = int(self._read())
        self.alive.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        """Take a worker away without a word, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.wait_for_the_end_of(pid)

    def wait_for_the_end_of(self, pid: int) -> None:
        """Wait until a worker has ended, of itself or killed."""
        wait_until(lambda: not _runs(pid), what=f"the end of worker {pid}")
        self.alive.remove(pid)
        self.killed.append(pid)

    def close(self) -> None:
        """End every worker."""
        for pid in list(self.alive):
            self.kill(pid)
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait(30)
        assert self._popen.stdout is not None
        self._popen.stdout.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def crew(folder: Path, elevate: FakeElevate, **options: Any) -> Iterator[Crew]:
    """Give workers for a test; `options` are further settings of theirs."""
    made = Crew(folder, elevate, options)
    try:
        yield made
    finally:
        made.close()
