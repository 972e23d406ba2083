"""The dispatcher `celery` inside this process, without a broker."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.core import mail

from elevate_integration.delivery.dispatchers import make
from elevate_integration.models import Registration
from elevate_integration.wake import set_wake
from tests.delivery.conftest import ago

pytestmark = [pytest.mark.engines, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def app():
    """A host's Celery app."""
    from celery import Celery

    made = Celery("host", broker="memory://")
    yield made
    made.close()


@pytest.fixture
def dispatcher(app):
    made = make("celery")
    made.start()
    set_wake(made.wake)
    yield made
    set_wake(None)
    made.stop()


def messages(app) -> list[dict[str, Any]]:
    """Take what is waiting for a worker."""
    found = []
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.queue_declare("celery", durable=True)
        while channel._size("celery"):
            found.append(channel._get("celery"))
    return found


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_an_eager_task_delivers_here_and_once(app, dispatcher, sell, elevate):
    app.conf.task_always_eager = True
    assert dispatcher.waits
    sell()
    assert Registration.objects.get().status == "registered"
    assert len(elevate.calls) == 1


def test_nothing_is_sent_under_a_test_runner(dispatcher, sell, monkeypatch):
    asked = []
    monkeypatch.setattr(dispatcher._publisher, "ask", lambda: asked.append(1))
    sell()
    assert not asked
    monkeypatch.delattr(mail, "outbox")
    sell()
    assert asked


def test_the_message_is_one_small_task_that_expires(app, dispatcher):
    from elevate_integration.delivery.dispatchers import celery

    celery._publish(app, countdown=5.0)
    (message,) = messages(app)
    assert message["headers"]["task"] == celery.TASK
    assert message["headers"]["eta"]
    assert message["headers"]["expires"]
    assert message["headers"]["ignore_result"]


def test_an_eager_task_is_not_woken_by_its_own_work(app, dispatcher, sell, elevate):
    from elevate_integration import signals

    def again(registration, **kwargs):
        dispatcher.wake()

    app.conf.task_always_eager = True
    signals.registered.connect(again)
    try:
        sell()
    finally:
        signals.registered.disconnect(again)
    assert Registration.objects.get().status == "registered"
    assert len(elevate.calls) == 1


def test_a_wake_up_is_one_message_that_waits_for_a_worker(app, dispatcher, monkeypatch):
    monkeypatch.delattr(mail, "outbox")
    dispatcher.wake()
    dispatcher.stop()
    (message,) = messages(app)
    assert message["headers"]["eta"] is None


@pytest.fixture
def due_soon(app, make_due):
    """Something that falls due in half a minute, and the task that a worker runs."""
    from elevate_integration.delivery.dispatchers import celery

    celery._plan.forget()
    make_due(due_at=ago(-30))
    yield celery
    celery._plan.forget()


def test_what_falls_due_soon_is_planned_once(app, due_soon):
    for _ in range(3):
        due_soon.deliver.run()
    (message,) = messages(app)
    assert message["headers"]["eta"]


def test_a_broker_that_is_away_does_not_fail_the_task_and_the_next_run_plans_again(
    app, due_soon, monkeypatch, caplog
):
    def away(app, countdown):
        raise ConnectionRefusedError("away")

    with monkeypatch.context() as patch:
        patch.setattr(due_soon, "_publish", away)
        due_soon.deliver.run()
    assert "the periodic task delivers" in caplog.text
    assert messages(app) == []
    due_soon.deliver.run()
    assert len(messages(app)) == 1


def test_the_schedule_can_be_imported_before_django_is_set_up():
    code = "from elevate_integration.delivery.dispatchers.celery import beat_schedule; print(beat_schedule())"
    assert "elevate_integration.deliver" in run(code).stdout


def test_a_missing_package_is_named():
    code = """
import sys
sys.modules["celery"] = None
import django; django.setup()
from elevate_integration.delivery.dispatchers import make
make("celery")
"""
    assert run(code).stderr.strip().endswith("install django-elevate-integration[celery].")


def test_a_site_without_the_package_still_starts():
    code = """
import os, sys
sys.modules["celery"] = None
from django.conf import settings
settings.ELEVATE = {**settings.ELEVATE, "DISPATCHER": "celery"}
import django; django.setup()
print("started")
"""
    assert run(code).stdout == "started\n"
