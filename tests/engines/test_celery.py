"""The dispatcher `celery` inside this process, without a broker."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.core import mail

from elevate_integration.delivery.dispatchers import make
from elevate_integration.models import Registration
from elevate_integration.wake import set_wake

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
    with app.connection_for_write() as connection:
        message = connection.default_channel._get("celery")
    assert message["headers"]["task"] == celery.TASK
    assert message["headers"]["eta"]
    assert message["headers"]["expires"]
    assert message["headers"]["ignore_result"]


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
