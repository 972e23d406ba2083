"""WATCH and what it needs: the checks, a start without an extra, a worker that shows its metrics, and what is imported."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from elevate_integration import checks, observing, watching
from elevate_integration.conf import conf
from elevate_integration.watching import OBSERVERS
from elevate_integration.watching.prometheus import PrometheusObserver
from elevate_integration.watching.spans import SpanObserver
from tests.host import ROOT


def set_elevate(settings: Any, **changes: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, **changes}


def gone(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let these modules be not installed."""
    real = watching.find_spec
    monkeypatch.setattr(watching, "find_spec", lambda name: None if name in modules else real(name))


def found() -> list[tuple[str | None, str, str]]:
    wanted = ("elevate.E023", "elevate.W010")
    return [(m.id, m.msg, m.hint or "") for m in checks.check_settings(None) if m.id in wanted]


def test_who_is_named_observes_and_nobody_else(settings):
    for names, kinds in (
        ([], []),
        (["prometheus"], [PrometheusObserver]),
        (["prometheus", "opentelemetry"], [SpanObserver, PrometheusObserver]),
    ):
        set_elevate(settings, WATCH=names)
        watching.start()
        assert [type(observer) for observer in observing._observers] == kinds


def test_another_name_is_refused(settings):
    set_elevate(settings, WATCH=["statsd"])
    with pytest.raises(ImproperlyConfigured, match="use one of prometheus, opentelemetry"):
        conf()


def test_an_extra_that_is_not_installed_is_named_by_a_check_with_its_mend(settings, monkeypatch):
    set_elevate(settings, WATCH=["prometheus", "opentelemetry"])
    assert found() == []
    gone(monkeypatch, "prometheus_client")
    ((check, text, hint),) = found()
    assert check == "elevate.E023"
    assert "names prometheus, which is not installed" in text
    assert "django-elevate-integration[prometheus]" in hint
    gone(monkeypatch, "prometheus_client", "opentelemetry")
    assert "django-elevate-integration[opentelemetry,prometheus]" in found()[0][2]


def test_without_an_extra_the_host_starts_says_so_and_the_other_observes(settings, monkeypatch, caplog):
    set_elevate(settings, WATCH=["prometheus", "opentelemetry"])
    gone(monkeypatch, "prometheus_client")
    apps.get_app_config("elevate_integration").ready()
    assert [type(observer) for observer in observing._observers] == [SpanObserver]
    assert "names prometheus, which is not installed" in caplog.text


@pytest.mark.parametrize(("token", "ids"), [("", []), ("x" * 19, ["elevate.W010"]), ("x" * 20, [])])
def test_a_token_that_can_be_guessed_is_a_warning_that_does_not_show_it(settings, token, ids):
    set_elevate(settings, MONITOR_TOKEN=token)
    told = found()
    assert [check for check, _, _ in told] == ids
    assert not token or token not in str(told)
    assert "MONITOR_TOKEN" not in repr(conf())
    assert not token or token not in repr(conf())


def test_every_extra_is_one_of_the_distributions():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{name} = [" in text for name in (*OBSERVERS, "health-check"))


IMPORTED = """
import sys, django; django.setup()
from django.core.management import call_command
call_command("check")
print(sorted({name.split(".")[0] for name in sys.modules} & {"prometheus_client", "opentelemetry", "health_check"}))
"""


def test_nothing_of_the_extras_is_imported_where_nobody_asks_for_it():
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout.strip().splitlines()[-1:], ended.returncode) == (["[]"], 0), ended.stderr


@pytest.fixture
def port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.django_db(transaction=True)
def test_a_worker_shows_its_metrics_at_a_port_of_its_own(settings, monkeypatch, port):
    set_elevate(settings, WATCH=["prometheus"])
    told: list[str] = []

    def instead(worker: Any) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            told.append(answer.read().decode())

    monkeypatch.setattr("elevate_integration.management.commands.elevate_worker.Worker.run", instead)
    monkeypatch.setattr(
        "elevate_integration.management.commands.elevate_worker.signal.signal", lambda *a: None
    )
    call_command("elevate_worker", "--metrics-port", str(port), stdout=StringIO())
    assert "\nelevate_database_up 1.0" in told[0]
    assert all(not thread.name.startswith("elevate") for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("options", "watch", "said"),
    [
        (["--once"], ["prometheus"], "for a worker that stays"),
        ([], [], 'name "prometheus"'),
        ([], ["prometheus"], "cannot be shown at 127.0.0.1"),
    ],
)
def test_metrics_that_cannot_be_shown_end_the_worker_before_it_delivers(settings, port, options, watch, said):
    set_elevate(settings, WATCH=watch)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(CommandError, match=said):
            call_command("elevate_worker", "--metrics-port", str(port), *options)


def test_a_worker_without_the_extra_says_what_to_install(settings, monkeypatch, port):
    set_elevate(settings, WATCH=["prometheus"])
    gone(monkeypatch, "prometheus_client")
    with pytest.raises(CommandError, match=r"Install django-elevate-integration\[prometheus\]"):
        call_command("elevate_worker", "--metrics-port", str(port))
