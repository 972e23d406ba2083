"""The dispatcher `django_tasks` inside this process: with the immediate backend, and with one that only takes notes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import transaction

from elevate_integration import checks
from elevate_integration.delivery.dispatchers import make
from elevate_integration.models import Registration
from elevate_integration.wake import set_wake
from tests.delivery.conftest import ago

pytestmark = [pytest.mark.engines, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def dispatcher():
    """The dispatcher, woken by commits; without TASKS the backend is the immediate one."""
    made = make("django_tasks")
    set_wake(made.wake)
    yield made
    set_wake(None)


@pytest.fixture
def notes(monkeypatch):
    """What is enqueued: seconds from now."""
    from elevate_integration.delivery.dispatchers import django_tasks

    enqueued: list[float] = []
    monkeypatch.setattr(django_tasks, "_enqueue", lambda seconds=0.0: enqueued.append(seconds))
    monkeypatch.setattr(django_tasks, "_defers", lambda: True)
    return enqueued


def test_the_immediate_backend_delivers_after_the_commit_and_not_before(dispatcher, sell, elevate):
    with transaction.atomic():
        sell()
        dispatcher.wake()
        assert not elevate.calls
    assert Registration.objects.get().status == "registered"
    assert len(elevate.calls) == 1


def test_the_immediate_backend_is_not_woken_by_its_own_work(dispatcher, sell, elevate):
    from elevate_integration import signals

    def again(registration, **kwargs):
        dispatcher.wake()

    signals.registered.connect(again)
    try:
        sell()
    finally:
        signals.registered.disconnect(again)
    assert len(elevate.calls) == 1


def test_the_check_says_that_a_checkout_waits(dispatcher, plainshop, settings):
    assert dispatcher.waits
    settings.ELEVATE = {**settings.ELEVATE, "DISPATCHER": "django_tasks"}
    assert "elevate.W004" in [found.id for found in checks.check_settings(None)]


def test_many_wake_ups_are_one_task_now_and_one_for_the_rest(dispatcher, notes):
    for _ in range(100):
        dispatcher.wake()
    assert notes[0] == 0.0
    assert len(notes) == 2
    assert 0 < notes[1] <= dispatcher.interval


def test_a_queue_that_is_away_neither_raises_nor_is_asked_again_at_once(
    dispatcher, notes, monkeypatch, caplog
):
    from elevate_integration.delivery.dispatchers import django_tasks

    tried = []

    def away(seconds=0.0):
        tried.append(seconds)
        raise ConnectionError("away")

    monkeypatch.setattr(django_tasks, "_enqueue", away)
    for _ in range(10):
        dispatcher.wake()
    assert len(tried) == 1
    assert caplog.text.count("No task could be enqueued") == 1


@pytest.fixture
def waiting(settings):
    """Tasks wait in a list of the dummy backend; gives it, and lets it defer as a real one does."""
    from elevate_integration.delivery.dispatchers import django_tasks

    framework = django_tasks._tasks.__name__
    settings.TASKS = {"default": {"BACKEND": f"{framework}.backends.dummy.DummyBackend"}}
    backend = django_tasks._tasks.default_task_backend
    backend.clear()
    django_tasks._plan.forget()
    yield backend
    backend.clear()
    django_tasks._plan.forget()


def run_now() -> None:
    from elevate_integration.delivery.dispatchers import django_tasks

    django_tasks.deliver.call()


def test_what_falls_due_soon_is_a_task_for_then_and_one_only(make_due, waiting):
    row = make_due(due_at=ago(-30))
    for _ in range(3):
        run_now()
    (result,) = waiting.results
    assert result.task.run_after >= row.due_at - timedelta(seconds=1)


def test_what_falls_due_later_is_left_to_cron(make_due, waiting):
    make_due(due_at=ago(-3000))
    run_now()
    assert waiting.results == []


def test_a_wake_up_is_a_task_at_once(dispatcher, waiting):
    dispatcher.wake()
    (result,) = waiting.results
    assert result.task.run_after is None


def complaint(code: str, **environment: str) -> str:
    """Choose the dispatcher in a process of its own, where the code has run before; gives what it says."""
    code = f"import sys\n{code}\nimport django; django.setup()\n{MAKE}"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    return ended.stderr.strip()


MAKE = "from elevate_integration.delivery.dispatchers import make; make('django_tasks')"


def test_a_backend_that_does_not_take_the_task_is_named():
    from elevate_integration.delivery.dispatchers import django_tasks

    backend = f"{django_tasks._tasks.__name__}.backends.dummy.DummyBackend"
    tasks = {"default": {"BACKEND": backend, "QUEUES": ["emails"]}}
    said = complaint(f"from django.conf import settings\nsettings.TASKS = {tasks!r}")
    assert 'TASKS["default"] does not take the task of Elevate: Queue' in said


def test_what_the_framework_itself_lacks_is_not_taken_for_its_absence(tmp_path):
    (tmp_path / "django_tasks.py").write_text("import missing_dependency")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    said = complaint('sys.modules["django.tasks"] = None', PYTHONPATH=paths)
    assert "No module named 'missing_dependency'" in said
    assert "django-elevate-integration[tasks]" not in said.splitlines()[-1]


def test_a_missing_package_is_named():
    said = complaint('sys.modules["django_tasks"] = sys.modules["django.tasks"] = None')
    assert said.endswith("install django-elevate-integration[tasks].")
