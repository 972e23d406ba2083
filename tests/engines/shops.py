"""A shop with an engine: a Django project in a folder, its web process, and the processes that deliver for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent

# Seconds: how long a condition may take to come true, and what counts as not waiting.
DEADLINE = 45.0
AT_ONCE = 1.0
GRACE = 2.0

_SETTINGS = """
from __future__ import annotations

import os

SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "elevate_integration", "tests.plainshop",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(os.path.dirname(__file__), "..", "shop.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"},
    }
}
ELEVATE = {
    "URL": os.environ["FAKE_ELEVATE_URL"],
    "API_KEY": "test-key",
    "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    "GO_LIVE": "2025-01-01",
    "CANCEL_GRACE": float(os.environ["GRACE"]),
    "QUIET_TIME": 0.2,
    "RETRY_FIRST": 1.0,
}
"""

# The web process: runs the code it is sent and answers with what the code found.
_WEB = """
import json, sys, time
import django
django.setup()
from django.core.signals import request_started
from django.db import transaction
from django.utils import timezone
from elevate_integration.delivery import dispatchers
from elevate_integration.models import OrderMark, ProductMapping, Registration
from tests.plainshop.models import Invoice, Item

def sell(person):
    invoice = Invoice.objects.create(issued=timezone.now())
    learner = {"person_id": person, "first_name": "Ada", "last_name": "Sample", "email": f"{person}@example.org"}
    Item.objects.create(invoice=invoice, course="ETHICS", price="120.00", **learner)
    return invoice

for line in sys.stdin:
    found, error, names = {}, "", {**globals()}
    names["found"] = found
    try:
        exec(json.loads(line), names)
    except Exception as raised:
        error = repr(raised)
    print(json.dumps({"found": found, "error": error}), flush=True)
"""


class Process:
    """A process of its own group, ended with everything that it started."""

    def __init__(self, shop: Shop, *command: str, talks: bool = False) -> None:
        self.log = shop.folder / "log.txt"
        pipe = subprocess.PIPE if talks else None
        with self.log.open("a") as log:
            self.popen = subprocess.Popen(
                [sys.executable, *command],
                cwd=shop.folder,
                env=shop.environment,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it without a word, as a machine that loses power does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                stream.close()


class Shop:
    """One project. `settings` is Python that follows the common settings."""

    def __init__(self, folder: Path, elevate: Any, settings: str, modules: dict[str, str]) -> None:
        self.folder, self.elevate = folder, elevate
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "FAKE_ELEVATE_URL": elevate.url,
            "GRACE": str(GRACE),
        }
        files = {"__init__.py": "", "settings.py": _SETTINGS + settings, **modules}
        for name, text in files.items():
            (folder / "project").mkdir(exist_ok=True)
            (folder / "project" / name).write_text(text, encoding="utf-8")
        self.manage("migrate", "--verbosity=0")
        self.web = self.open_web()
        self.do(
            'ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="ABCD1234")',
        )

    def open_web(self) -> Process:
        """Start a web process. A shop may have several."""
        return Process(self, "-c", _WEB, talks=True)

    def manage(self, *command: str) -> None:
        """Run a management command and wait for its end."""
        ended = subprocess.run(
            [sys.executable, "-m", "django", *command],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def send(self, code: str, *, web: Process | None = None) -> None:
        """Have code run in a web process, without waiting for it."""
        stdin = (web or self.web).popen.stdin
        assert stdin is not None
        stdin.write(json.dumps(code) + "\n")
        stdin.flush()

    def answer(self, *, web: Process | None = None) -> dict[str, Any]:
        """Give what the code found; fails with what it raised."""
        stdout = (web or self.web).popen.stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, f"The web process died:\n{self.log()}"
        answer = json.loads(line)
        assert not answer["error"], answer["error"]
        found: dict[str, Any] = answer["found"]
        return found

    def do(self, code: str, *, web: Process | None = None) -> dict[str, Any]:
        """Run code in a web process."""
        self.send(code, web=web)
        return self.answer(web=web)

    def sell(self, person: str) -> int:
        """Sell a course in one transaction."""
        code = f'with transaction.atomic():\n    invoice = sell("{person}")\nfound["pk"] = invoice.pk'
        return int(self.do(code)["pk"])

    def status(self, pk: int) -> str:
        """Give the status of an order's registration; empty when there is none yet."""
        code = f'found["is"] = list(Registration.objects.filter(order_ref="{pk}").values_list("status", flat=True))'
        return ", ".join(self.do(code)["is"])

    def held(self, person: str) -> list[bool]:
        """Tell what Elevate holds for a learner: for each registration whether it is cancelled."""
        return [held.cancelled for held in self.elevate.registrations if held.remote_user_id == person]

    def wait(self, condition: Callable[[], object], *, each: Callable[[], object] | None = None) -> None:
        """Wait until the condition is true; run `each` between the looks."""
        until = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < until, f"It did not happen within {DEADLINE:g} s:\n{self.log()}"
            if each is not None:
                each()
            time.sleep(0.1)

    def log(self) -> str:
        """Give the end of what its processes wrote."""
        path = self.folder / "log.txt"
        return path.read_text(encoding="utf-8")[-6000:] if path.exists() else ""

    def close(self) -> None:
        """End the web process."""
        self.web.kill()
