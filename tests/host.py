"""A Django project of its own in a folder and a process of its own, for what a test-suite's settings cannot show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

_SETTINGS = '''
from __future__ import annotations

import os

SECRET_KEY = "x"
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "elevate_integration", "tests.plainshop",
]


def database(name):
    """A new database beside the others: SQLite, or on the server of TEST_DATABASE_URL."""
    if not os.environ.get("TEST_DATABASE_URL"):
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20}
        file = f"{name}.sqlite3"
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": file, "TEST": {"NAME": file}, "OPTIONS": options}
    import environ

    config = environ.Env.db_url_config(os.environ["TEST_DATABASE_URL"])
    test = {"NAME": f"host_{name}_{os.getpid()}"}
    if "mysql" in config["ENGINE"]:
        test |= {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"}
    return {**config, "TEST": test}


DATABASES = {"default": database("default")}
ELEVATE = {
    "URL": os.environ.get("FAKE_ELEVATE_URL", "http://127.0.0.1:1"),
    "API_KEY": "test-key",
    "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    "GO_LIVE": "2025-01-01",
    "DISPATCHER": "worker",
    "CANCEL_GRACE": 0.0,
    "QUIET_TIME": 0.0,
}
'''

_BEFORE = """
import json, sys
import django
django.setup()
from django.test.utils import setup_databases, teardown_databases
found = {}
old = setup_databases(verbosity=0, interactive=False)
try:
    exec(compile(sys.stdin.read(), "host", "exec"), {"found": found})
finally:
    from elevate_integration.delivery import dispatchers
    dispatchers._current and dispatchers._current.stop()
    teardown_databases(old, verbosity=0)
print(json.dumps(found, default=str))
"""

# What most scripts begin with: a mapped course, a paid invoice, delivery.
SHOP = """
from datetime import datetime, timedelta
from django.db import transaction
from django.utils import timezone
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Attempt, OrderMark, ProductMapping, Registration
from tests.plainshop.models import Invoice, Item

def sell(**person):
    learner = {"person_id": "M-1", "first_name": "Ada", "last_name": "Sample", "email": "ada@example.org", **person}
    invoice = Invoice.objects.create(issued=timezone.now())
    Item.objects.create(invoice=invoice, course="ETHICS", price="120.00", **learner)
    return invoice

def deliver():
    return Worker(threads=2).run_once(sweeping=False)

ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="ABCD1234")
"""


@dataclass
class Host:
    """A project in `folder`. `settings` is Python that follows the common settings and may change them.

    python: the interpreter; its environment must hold the package. path: further folders to import from.
    """

    folder: Path
    settings: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    path: tuple[str, ...] = (str(ROOT),)

    def write(self, path: str, text: str) -> None:
        """Write one file of the project."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def manage(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a management command."""
        return self._run("-m", "django", *command)

    def run(self, script: str) -> dict[str, Any]:
        """Run a script against new databases and give what it put into `found`. Fails with its output."""
        ended = self._run("-c", _BEFORE, stdin=script)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return answer

    def _run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        self.write("host_settings.py", _SETTINGS + self.settings)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.folder), *self.path]),
            "DJANGO_SETTINGS_MODULE": "host_settings",
            **self.environment,
        }
        return subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
