"""`manage.py check`: each finding by its ID, a sound setting without any, and the command itself in a bare project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import checks as django_checks
from django.db import connection
from django.db.models.signals import post_save
from django.db.utils import ConnectionHandler

from elevate_integration import checks
from elevate_integration.delivery.dispatchers import Dispatcher
from elevate_integration.orders.source import Watch
from tests.plainshop.source import PlainSource

SOUND = {
    "URL": "https://learn.example.org",
    "API_KEY": "a-key",
    "GO_LIVE": "2026-01-31",
    "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    "DISPATCHER": "worker",
    "REMOTE_USER_ID": "pk",
}


class NoSource:
    """Importable, and no OrderSource."""


class Unfinished(PlainSource):
    """Cannot be made."""

    def __init__(self) -> None:
        raise ValueError("the shop is not configured")


class Troubled(PlainSource):
    def problems(self):
        return ["One.", "Two."]


class Uncheckable(PlainSource):
    def problems(self):
        raise LookupError("no such app")


class Silent(PlainSource):
    """Watches nothing."""

    def watches(self) -> list[Watch]:
        return []


class Broken(PlainSource):
    """Raises while its watches are read."""

    def watches(self) -> list[Watch]:
        raise KeyError("no such shop")


class UnknownModel(PlainSource):
    """Watches a model that is not there."""

    def watches(self) -> list[Watch]:
        return [Watch(post_save, "plainshop.Invoise", lambda **_: "1"), Watch(post_save, "Invoice", str)]


class NoDispatcher:
    """Importable, and no Dispatcher."""


class OwnDispatcher(Dispatcher):
    """A host's own."""


@pytest.fixture
def found(settings: Any) -> Any:
    """Give the IDs that the check finds for the sound settings with some changed; None leaves a key out."""

    def find(**changed: Any) -> list[str]:
        merged = {**SOUND, **changed}
        settings.ELEVATE = {key: value for key, value in merged.items() if value is not None}
        messages = checks.check_settings(None)
        assert all(message.hint for message in messages)
        return [str(message.id) for message in messages]

    return find


def message(identifier: str) -> django_checks.CheckMessage:
    return next(m for m in checks.check_settings(None) if m.id == identifier)


def test_sound_settings_have_no_finding(found):
    if connection.vendor == "sqlite":
        assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found() == []


def test_the_checks_are_registered_with_django_once(found):
    found()
    before = len(django_checks.registry.registry.get_checks())
    checks.register()
    registered = django_checks.registry.registry.get_checks(include_deployment_checks=True)
    assert checks.check_settings in registered
    assert len(django_checks.registry.registry.get_checks()) == before


@pytest.mark.parametrize("nothing", [{}, None])
def test_w001_elevate_is_not_set(settings, nothing):
    settings.ELEVATE = nothing
    messages = checks.check_settings(None)
    assert [m.id for m in messages] == ["elevate.W001"]
    assert all(key in messages[0].hint for key in ("URL", "API_KEY", "GO_LIVE", "ORDER_SOURCE"))


def test_w001_elevate_is_left_out(settings):
    del settings.ELEVATE
    assert [m.id for m in checks.check_settings(None)] == ["elevate.W001"]


def test_e001_an_unknown_key_is_named_with_its_nearest_neighbour(found):
    assert found(API_KEI="x") == ["elevate.E001"]
    assert "'API_KEI'" in message("elevate.E001").msg
    assert "'API_KEY'" in message("elevate.E001").msg


def test_e001_a_value_of_the_wrong_kind_names_its_key(found):
    assert found(THREADS="many") == ["elevate.E001"]
    assert "THREADS" in message("elevate.E001").msg


def test_e001_a_payload_that_cannot_be_imported(found):
    assert found(PAYLOAD="nowhere.payload") == ["elevate.E001"]


@pytest.mark.parametrize("url", [None, "", "  "])
def test_e002_the_address_is_missing(found, url):
    assert found(URL=url) == ["elevate.E002"]


@pytest.mark.parametrize("url", ["ftp://learn.example.org", "https://", "learn example org"])
def test_e003_the_address_is_none(found, url):
    assert found(URL=url) == ["elevate.E003"]


def test_e004_plain_http_elsewhere(found):
    assert found(URL="http://learn.example.org") == ["elevate.E004"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001", "learn.example.org"]
)
def test_e004_spares_this_machine_and_addresses_without_scheme(found, url):
    assert found(URL=url) == []


def test_w002_a_pasted_path_is_shown(found):
    assert found(URL="https://learn.example.org/admin/products") == ["elevate.W002"]
    assert "/admin/products" in message("elevate.W002").msg


@pytest.mark.parametrize("key", [None, "", "  "])
def test_e005_the_key_is_missing(found, key):
    assert found(API_KEY=key) == ["elevate.E005"]


@pytest.mark.parametrize("date", [None, ""])
def test_e006_the_go_live_date_is_missing(found, date):
    assert found(GO_LIVE=date) == ["elevate.E006"]


def test_e007_the_source_is_not_set(found):
    assert found(ORDER_SOURCE=None) == ["elevate.E007"]


@pytest.mark.parametrize(
    "path",
    [
        "nowhere.Source",
        "tests.plainshop.source.Missing",
        "PlainSource",
        "tests.test_checks.NoSource",
        "tests.test_checks.Unfinished",
        "elevate_integration.orders.source.OrderSource",
    ],
)
def test_e008_the_source_cannot_be_used(found, path):
    assert found(ORDER_SOURCE=path) == ["elevate.E008"]
    assert path in message("elevate.E008").msg


def test_e009_the_watches_raise(found):
    assert found(ORDER_SOURCE="tests.test_checks.Broken") == ["elevate.E009"]


def test_e010_each_unknown_model_is_named(found):
    assert found(ORDER_SOURCE="tests.test_checks.UnknownModel") == ["elevate.E010", "elevate.E010"]
    assert "plainshop.Invoise" in message("elevate.E010").msg


def test_w003_nothing_is_watched(found):
    assert found(ORDER_SOURCE="tests.test_checks.Silent") == ["elevate.W003"]


def test_w007_names_each_problem_of_the_source(found):
    assert found(ORDER_SOURCE="tests.test_checks.Troubled") == ["elevate.W007", "elevate.W007"]
    assert message("elevate.W007").msg == "One."


def test_w007_says_so_when_the_source_cannot_be_checked(found):
    assert found(ORDER_SOURCE="tests.test_checks.Uncheckable") == ["elevate.W007"]
    assert "LookupError: no such app" in message("elevate.W007").msg


@pytest.mark.parametrize(("lease", "ids"), [(60, ["elevate.E011"]), (104.9, ["elevate.E011"]), (105, [])])
def test_e011_the_lease_ends_before_the_call_can(found, lease, ids):
    assert found(LEASE=lease, CALL_DEADLINE=90) == ids


@pytest.mark.parametrize("name", ["selery", "nowhere.Dispatcher", "tests.test_checks.NoDispatcher"])
def test_e012_the_dispatcher_is_unknown(found, name):
    assert found(DISPATCHER=name) == ["elevate.E012"]


@pytest.mark.parametrize("name", ["thread", "worker", "tests.test_checks.OwnDispatcher"])
def test_e012_spares_dispatchers_that_exist(found, name):
    assert found(DISPATCHER=name) == []


def test_w004_inline_delivery(found):
    assert found(DISPATCHER="inline") == ["elevate.W004"]


def test_e013_paths_begin_with_a_slash(found):
    assert found(REGISTER_PATH="api/registrations", CANCEL_PATH="cancel") == ["elevate.E013"] * 2
    assert "'/api/registrations'" in message("elevate.E013").hint


def test_e014_the_user_has_no_such_attribute(found):
    assert found(REMOTE_USER_ID="membership_nr") == ["elevate.E014"]
    assert found(REMOTE_USER_ID="membership.number") == ["elevate.E014"]


def test_w005_the_user_id_can_change(found):
    assert found(REMOTE_USER_ID=get_user_model().get_email_field_name()) == ["elevate.W005"]


@pytest.mark.parametrize("name", ["pk", "id", "groups.name", lambda user: user.pk])
def test_e014_and_w005_spare_what_stays(found, name):
    assert found(REMOTE_USER_ID=name) == []


def test_e014_needs_no_accounts_in_the_host(found, settings):
    settings.AUTH_USER_MODEL = "nowhere.User"
    assert found(REMOTE_USER_ID="membership_nr") == []


def test_e015_a_text_is_no_template(found):
    assert found(CANCELLATION_EXPLANATION="{{ registration.order_ref") == []
    assert found(CANCELLATION_EXPLANATION="{% if %}") == ["elevate.E015"]
    assert found(CANCELLATION_EXPLANATION_FOR_USER="{{ a|nofilter }}") == ["elevate.E015"]
    assert found(CANCELLATION_EXPLANATION=lambda registration: "{% if %}") == []


def test_e016_the_certificates_are_not_there(found, tmp_path):
    assert found(CA_BUNDLE=str(tmp_path / "ca.pem")) == ["elevate.E016"]
    (tmp_path / "ca.pem").write_text("")
    assert found(CA_BUNDLE=tmp_path / "ca.pem") == []


@pytest.mark.parametrize(
    ("options", "dispatcher", "ids"),
    [
        ({}, "thread", ["elevate.W006"]),
        ({"transaction_mode": "DEFERRED"}, "worker", ["elevate.W006"]),
        ({"transaction_mode": "IMMEDIATE"}, "worker", []),
        ({"transaction_mode": "exclusive"}, "worker", []),
        ({}, "inline", ["elevate.W004"]),
    ],
)
def test_w006_sqlite_that_begins_as_a_reader(found, monkeypatch, options, dispatcher, ids):
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": options}
    monkeypatch.setattr(checks, "connections", ConnectionHandler({"default": database}))
    assert found(DISPATCHER=dispatcher) == ids


class _MySQL:
    """A connection that answers one query, since no test database of ours has the wrong character set."""

    vendor = "mysql"

    def __init__(self, charset: str) -> None:
        self.charset = charset

    def cursor(self) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, sql: str) -> None:
        assert sql == "SELECT @@character_set_database"

    def fetchone(self) -> tuple[str]:
        return (self.charset,)


@pytest.mark.parametrize(("charset", "ids"), [("latin1", ["elevate.E017"]), ("utf8mb4", [])])
def test_e017_the_database_cannot_hold_every_name(monkeypatch, charset, ids):
    monkeypatch.setattr(checks, "connections", {"default": _MySQL(charset)})
    assert [m.id for m in checks.check_charset(None, databases=["default"])] == ids


def test_e017_asks_no_database_that_django_does_not_check(monkeypatch):
    monkeypatch.setattr(checks, "connections", {"default": _MySQL("latin1")})
    assert checks.check_charset(None) == []
    assert checks.check_charset(None, databases=["other"]) == []


@pytest.mark.django_db
def test_e017_accepts_the_database_of_this_suite():
    assert checks.check_charset(None, databases=["default"]) == []


PROJECT = """
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "elevate_integration"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
"""


def manage(folder: Path, elevate: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a project of its own with this ELEVATE setting."""
    (folder / "bare_settings.py").write_text(f"{PROJECT}ELEVATE = {elevate}\n")
    environment = {**os.environ, "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "bare_settings"}
    return subprocess.run(
        [sys.executable, "-m", "django", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("elevate", "identifier"),
    [
        ('{"URLL": "https://learn.example.org"}', "elevate.E001"),
        ('{"URL": "https://learn.example.org", "ORDER_SOURCE": "nowhere.Source"}', "elevate.E008"),
        ('{"URL": "https://learn.example.org", "DISPATCHER": "nobody"}', "elevate.E012"),
        ('["URL"]', "elevate.E001"),
    ],
)
def test_a_broken_project_is_told_by_the_command_without_a_traceback(tmp_path, elevate, identifier):
    ended = manage(tmp_path, elevate, "check")
    assert ended.returncode == 1
    assert identifier in ended.stderr
    assert "HINT: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_project_without_its_settings_is_told_and_goes_on(tmp_path):
    ended = manage(tmp_path, "{}", "check")
    assert ended.returncode == 0
    assert "elevate.W001" in ended.stderr


def test_a_sound_project_is_silent_but_for_its_database(tmp_path):
    (tmp_path / "shop.py").write_text(
        "from elevate_integration.orders.source import *\n"
        "class Shop(OrderSource):\n"
        "    def watches(self): return [Watch(None, None, str)]\n"
        "    def snapshot(self, order_ref): return None\n"
        "    def recent(self, since): return iter(())\n"
        "    def placed_at(self, order_ref): return None\n"
    )
    elevate = "{'URL': 'https://learn.example.org', 'API_KEY': 'k', 'GO_LIVE': '2026-01-31', 'ORDER_SOURCE': 'shop.Shop'}"
    ended = manage(tmp_path, elevate, "check")
    assert ended.returncode == 0
    assert "elevate.W006" in ended.stderr
    assert "elevate.E" not in ended.stderr


def test_e018_a_recipient_of_the_digest_is_no_address(found):
    assert found(DIGEST_RECIPIENTS=["office@example.org", "the office"]) == ["elevate.E018"]
    assert "the office" in message("elevate.E018").msg


@pytest.mark.parametrize("url", ["ams.example.org/admin", "/admin/", "ftp://ams.example.org"])
def test_e019_the_address_of_the_admin_is_none(found, url):
    assert found(ADMIN_URL=url) == ["elevate.E019"]


def test_a_column_of_the_mass_import_names_a_field_of_the_registration(found):
    assert found(MASS_IMPORT_COLUMNS={"Member": "remote_user_id", "Note": str}) == []
    assert found(MASS_IMPORT_COLUMNS={"Member": "membernumber"}) == ["elevate.E020"]


def test_e019_an_address_is_fine(found):
    assert found(ADMIN_URL="https://ams.example.org/admin") == []
