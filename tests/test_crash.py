"""A worker process that is killed, or told to stop, in the middle of its calls. Counted where it matters: at Elevate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Registration
from tests.delivery.conftest import ago, make_due  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals"),
]

ROOT = Path(__file__).parent.parent
THREADS = 3
ROWS = 10
LONG = 60


class Elevate:
    """Holds the first calls open until told to go on, and counts what was stored."""

    def __init__(self, fake) -> None:
        self.may_go_on = threading.Event()
        self.called, self.stored = threading.Semaphore(0), threading.Semaphore(0)
        fake.on_call, fake.after_store = self._hold, self._count

    def _hold(self, path, fields) -> None:
        self.called.release()
        self.may_go_on.wait(LONG)

    def _count(self, path, fields) -> None:
        self.stored.release()

    def wait_for_calls(self, count: int) -> None:
        for _ in range(count):
            assert self.called.acquire(timeout=LONG), "the worker did not call"

    def let_them_store(self, count: int) -> None:
        self.may_go_on.set()
        for _ in range(count):
            assert self.stored.acquire(timeout=LONG), "Elevate did not store"


@pytest.fixture
def held(elevate):
    held = Elevate(elevate)
    yield held
    held.may_go_on.set()


@pytest.fixture
def start_worker(elevate, tmp_path):
    """Start `elevate_worker` as a process of its own on the database of this test."""
    lines = [
        "from __future__ import annotations",
        "from tests.settings import *",
        f'DATABASES["default"]["NAME"] = {connection.settings_dict["NAME"]!r}',
        f"ELEVATE = {{**ELEVATE, 'URL': {elevate.url!r}, 'ORDER_SOURCE': 'tests.plainshop.source.PlainSource'}}",
    ]
    (tmp_path / "crash_settings.py").write_text("\n".join(lines))
    processes = []

    def start() -> subprocess.Popen:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crash_settings",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        }
        command = [
            sys.executable,
            "-m",
            "django",
            "elevate_worker",
            "--threads",
            str(THREADS),
            "--poll",
            "0.05",
        ]
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_killed_worker_loses_nothing_and_doubles_at_most_its_open_calls_each_on_record(
    make_due,  # noqa: F811
    elevate,
    held,
    start_worker,
):
    for _ in range(ROWS):
        make_due()
    process = start_worker()
    held.wait_for_calls(THREADS)
    process.send_signal(signal.SIGKILL)
    process.wait(LONG)
    held.let_them_store(THREADS)
    claimed = Registration.objects.exclude(claim_token=None)
    assert claimed.count() == THREADS, "it had claimed no more than it was calling for"
    claimed.update(due_at=ago(1))
    Worker(threads=THREADS).run_once(sweeping=False)
    assert Registration.objects.by_status() == {"registered": ROWS}
    at_elevate = Counter(registered.remote_user_id for registered in elevate.live())
    assert len(at_elevate) == ROWS, "nobody is lost"
    doubled = {user for user, count in at_elevate.items() if count > 1}
    assert len(doubled) <= THREADS
    assert max(at_elevate.values()) <= 2
    for row in Registration.objects.all():
        recorded = row.attempts.filter(outcome="unknown").exists()
        assert recorded == (row.remote_user_id in doubled)


def test_a_worker_that_is_told_to_stop_finishes_its_calls_and_exits_well(
    make_due,  # noqa: F811
    elevate,
    held,
    start_worker,
):
    for _ in range(ROWS):
        make_due()
    process = start_worker()
    held.wait_for_calls(THREADS)
    process.send_signal(signal.SIGTERM)
    held.let_them_store(THREADS)
    output, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0, output
    assert "Stopped." in output
    assert not Registration.objects.exclude(claim_token=None).exists()
    registered = Registration.objects.filter(status="registered")
    assert registered.count() == len(elevate.live()) >= THREADS
    assert not Registration.objects.exclude(status__in=["registered", "pending"]).exists()
