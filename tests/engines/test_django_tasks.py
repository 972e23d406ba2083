"""The dispatcher `django_tasks` inside this process: with the immediate backend, and with one that only takes notes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.db import transaction

from elevate_integration import checks
from elevate_integration.delivery.dispatchers import make
from elevate_integration.models import Registration
from elevate_integration.wake import set_wake

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


def test_a_missing_package_is_named():
    code = """
import sys
sys.modules["django_tasks"] = sys.modules["django.tasks"] = None
import django; django.setup()
from elevate_integration.delivery.dispatchers import make
make("django_tasks")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.strip().endswith("install django-elevate-integration[tasks].")
