"""The example as a real site would run it: Django's own deployment check has nothing to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "DEBUG": "off",
    "DEMO": "off",
    "SECRET_KEY": "a long secret that nobody knows, made of more than fifty letters",
    "ALLOWED_HOSTS": "ams.example.org",
    "SITE_URL": "https://ams.example.org",
    "ELEVATE_URL": "https://lms.example.org",
    "ELEVATE_API_KEY": "a-key",
    "ELEVATE_DISPATCHER": "worker",
}


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "example_project.settings", **PRODUCTION, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_deployment_check_has_no_warning() -> None:
    ended = check()
    assert ended.returncode == 0, ended.stderr
    assert "no issues" in ended.stdout


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("SITE_URL", "http://ams.example.org", "W008"), ("SECRET_KEY", "short", "W009")],
)
def test_it_speaks_up_where_a_setting_is_left_out(name: str, value: str, told: str) -> None:
    ended = check(**{name: value})
    assert ended.returncode == 1
    assert told in ended.stderr
