"""What the doctor finds out about key, database, network and members, each by itself."""

from __future__ import annotations

import json
import socket
from contextlib import nullcontext
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from elevate_integration.doctor import database
from elevate_integration.models import Attempt, Registration
from elevate_integration.orders.source import Learner
from example_project.members.models import Member
from tests.management.findings import findings_of
from tests.plainshop.source import PlainSource

pytestmark = pytest.mark.django_db(transaction=True)


def reported(elevate: Any) -> dict[str, Any]:
    before = len(elevate.calls)
    found = findings_of("--key", "--fail-on", "never")["key.report"]
    assert "test-key" not in json.dumps(found)
    assert {path for path, *_ in elevate.calls[before:]} <= {"/api/reports"}
    return found


def test_a_key_is_proved_by_one_report_that_holds_nobody(sold):
    found = reported(sold)
    assert (found["level"], found["text"]) == (
        "ok",
        "Elevate accepts the key of ELEVATE['API_KEY'] for reports.",
    )
    assert "key.calls" not in findings_of("--key")


def test_a_key_of_reports_alone_and_one_from_a_file_are_named(sold, settings, tmp_path):
    sold.reports.key = "report-key"
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_KEY": "report-key"}
    assert "ELEVATE['REPORT_KEY']" in reported(sold)["text"]
    sold.reports.key = ""
    file = tmp_path / "key"
    file.write_text("test-key\n")
    file.chmod(0o600)
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_KEY": "", "API_KEY": "", "API_KEY_FILE": str(file)}
    assert "ELEVATE['API_KEY_FILE']" in reported(sold)["text"]
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY_FILE": "", "API_KEY": lambda: "test-key"}
    assert reported(sold)["level"] == "ok"


def test_a_key_file_that_is_gone_is_told_by_its_check(sold, settings, tmp_path):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": "", "API_KEY_FILE": str(tmp_path / "gone")}
    found = findings_of("--fail-on", "never")
    (told,) = [one for one in found.values() if one["code"].startswith("elevate.")]
    assert "No such file" in told["text"]


@pytest.mark.parametrize(
    ("change", "level", "trouble", "mend"),
    [
        ({"REPORT_KEY": "wrong"}, "error", "key_refused", "Correct ELEVATE['REPORT_KEY'], or ask the vendor"),
        ({"REPORT_PATH": "/api/elsewhere"}, "warning", "wrong_address", "REPORT_PATH"),
        ({"REPORT_FIELDS": {"id": "number"}}, "warning", "unknown_field", "REPORT_FIELDS"),
    ],
)
def test_a_report_that_fails_says_whether_key_address_or_field_is_at_fault(
    sold, settings, change, level, trouble, mend
):
    settings.ELEVATE = {**settings.ELEVATE, **change}
    found = findings_of("--key", "--fail-on", "never")["key.report"]
    assert (found["level"], found["data"]) == (level, {"trouble": trouble})
    assert mend in found["mend"]
    assert ("key" in found["mend"].lower().replace("of the key this says nothing", "")) == (
        trouble == "key_refused"
    )


def test_a_report_that_nobody_answers_says_so_and_nothing_about_the_key(sold):
    sold.stop()
    found = findings_of("--key", "--offline", "--fail-on", "never")["key.report"]
    assert (found["level"], found["data"]) == ("error", {"trouble": "not_reached"})
    assert found["mend"].startswith("Mend the way to Elevate")


def test_a_report_asked_too_soon_or_answered_in_riddles_says_nothing_about_the_key(sold):
    sold.reports.pause, sold.reports.retry_after = 1000.0, 7
    reported(sold)
    assert reported(sold)["data"] == {"trouble": "hurried"}
    sold.reports.pause = 0.0
    sold.fail("garbage", path="/api/reports")
    assert reported(sold)["data"] == {"trouble": "unreadable"}


def test_a_key_that_elevate_refuses_is_told_by_the_shut_gate(sell, deliver, alive, elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": "wrong"}
    sell("ETHICS")
    deliver()
    found = findings_of(status=2)
    assert found["key.calls"]["text"].startswith("Elevate refuses the key since ")
    assert found["delivery.waits"]["level"] == "error"


def test_a_refusal_of_the_key_after_the_last_success_is_told(sold):
    row = Registration.objects.get()
    Attempt.objects.create(
        registration=row,
        operation="register",
        outcome="refused",
        status_code=401,
        messages=[],
        sent={},
        finished_at=timezone.now() + timedelta(minutes=1),
    )
    found = findings_of(status=1)["key.calls"]
    assert found["level"] == "warning"
    assert "no call was done since" in found["text"]


def test_registrations_under_another_id_than_the_stores_are_counted(sold):
    Registration.objects.update(other_user_id="M-2")
    found = findings_of(status=1)["members.renamed"]
    assert found["data"] == {"registrations": 1}
    assert "identity_changed()" in found["mend"]
    assert "M-2" not in json.dumps(found)


class Server:
    """A connection to a database that is asked for its isolation and its features."""

    def __init__(self, answer: str, vendor: str = "postgresql", **features: Any) -> None:
        self.vendor, self.answer, self.asked = vendor, answer, ""
        self.features = SimpleNamespace(**features)
        self.settings_dict = {"OPTIONS": features.get("options", {})}
        self.mysql_is_mariadb = features.get("mariadb", False)

    def cursor(self) -> Any:
        return nullcontext(self)

    def execute(self, question: str) -> None:
        self.asked = question

    def fetchone(self) -> tuple[str]:
        return (self.answer,)


@pytest.mark.parametrize(
    ("server", "level", "asked"),
    [
        (Server("read committed"), "ok", "SHOW transaction_isolation"),
        (Server("serializable"), "warning", "SHOW transaction_isolation"),
        (Server("REPEATABLE-READ", "mysql", mariadb=True), "warning", "SELECT @@tx_isolation"),
        (Server("READ-COMMITTED", "mysql"), "ok", "SELECT @@transaction_isolation"),
    ],
)
def test_a_database_that_isolates_more_than_django_does_is_told(server, level, asked):
    (finding,) = database._isolation(server)
    assert (finding.level, server.asked) == (level, asked)
    assert bool(finding.mend) == (level == "warning")


def test_a_database_that_does_not_tell_its_isolation_is_no_finding(monkeypatch):
    server = Server("")

    def refuse(question: str) -> None:
        raise DatabaseError("unknown system variable")

    monkeypatch.setattr(server, "execute", refuse)
    assert list(database._isolation(server)) == []


@pytest.mark.parametrize(("mariadb", "name"), [(True, "MariaDB 10.11.6"), (False, "MySQL 10.11.6")])
def test_mariadb_is_called_by_its_own_name(mariadb, name):
    server = Server("", "mysql", mariadb=mariadb, minimum_database_version=(10, 6))
    server.display_name, server.get_database_version = "MySQL", lambda: (10, 11, 6)
    assert database._version(server).text == f"{name}; this Django needs 10.6 or newer."


def test_a_database_that_cannot_be_used_ends_the_look(sold, monkeypatch):
    def refuse(parameters: dict[str, Any]) -> Any:
        raise OperationalError("password authentication failed for user")

    connection.close()
    monkeypatch.setattr(connection, "get_new_connection", refuse)
    found = findings_of("--offline", status=2)
    assert found["database.tables"]["text"] == "The database `default` cannot be used: OperationalError."
    assert {one["group"] for one in found.values()} == {"Settings", "Database"}


def test_a_migration_that_was_not_run_ends_the_look(sold):
    recorder = MigrationRecorder(connection)
    newest = recorder.migration_qs.filter(app="elevate_integration").latest("name").name
    recorder.record_unapplied("elevate_integration", newest)
    try:
        found = findings_of("--offline", status=2)
    finally:
        recorder.record_applied("elevate_integration", newest)
    assert found["database.tables"]["text"] == "1 migration is missing on `default`."
    assert found["database.tables"]["mend"] == "Run `manage.py migrate`."
    assert "database.clock" not in found


@pytest.mark.parametrize(("has", "level"), [(True, "ok"), (False, "warning")])
def test_a_database_without_skip_locked_is_told(has, level):
    finding = database._skip_locked(Server("", has_select_for_update_skip_locked=has))
    assert finding.level == level
    assert ("MariaDB 10.6" in finding.mend) == (not has)


@pytest.mark.parametrize(
    ("options", "journal", "levels"),
    [
        ({"transaction_mode": "IMMEDIATE"}, "wal", ["ok", "ok"]),
        ({"transaction_mode": "exclusive"}, "memory", ["ok", "ok"]),
        ({}, "delete", ["warning", "warning"]),
        ({"transaction_mode": None}, "wal", ["warning", "ok"]),
    ],
)
def test_sqlite_that_makes_writers_fail_is_told(options, journal, levels):
    found = list(database._sqlite(Server(journal, "sqlite", options=options)))
    assert [one.level for one in found] == levels
    assert all(bool(one.mend) == (one.level == "warning") for one in found)


@pytest.mark.parametrize(
    ("hears", "level", "text"),
    [
        (lambda seconds: True, "ok", "can wake a worker at once"),
        (lambda seconds: False, "warning", "perhaps a pooler in transaction mode"),
        (lambda seconds: 1 / 0, "warning", "ZeroDivisionError"),
    ],
)
def test_a_pooler_that_swallows_what_wakes_a_worker_is_told(monkeypatch, hears, level, text):
    monkeypatch.setattr(database, "hears", hears)
    finding = database._listening()
    assert finding.level == level
    assert text in finding.text
    assert ("pooler in session mode" in finding.mend) == (level == "warning")


def test_of_several_addresses_the_silent_one_is_named(sold, settings, monkeypatch):
    port = int(sold.url.rsplit(":", 1)[1])
    real = socket.getaddrinfo

    def both(host: str, *args: Any, **kwargs: Any) -> Any:
        if host != "lms.example":
            return real(host, *args, **kwargs)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("127.0.0.2", "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    settings.ELEVATE = {**settings.ELEVATE, "URL": f"http://lms.example:{port}", "CONNECT_TIMEOUT": 2.0}
    found = findings_of("--fail-on", "never")
    assert found["site.name"]["data"] == {"addresses": ["127.0.0.2", "127.0.0.1"]}
    assert found["site.connection"]["level"] == "warning"
    assert found["site.connection"]["text"] == "127.0.0.1 takes connections, 127.0.0.2 does not."


def test_an_order_as_json_and_one_that_cannot_be_read(sold, sell, monkeypatch):
    ref = Registration.objects.get().order_ref
    out = StringIO()
    call_command("elevate_doctor", "--order", ref, "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["order"] == ref
    assert "paid, learner M-1" in told["lines"][0]

    def fail(self, ref):
        raise ZeroDivisionError("the store is broken")

    monkeypatch.setattr(PlainSource, "snapshot", fail)
    with pytest.raises(CommandError, match="could not be read: ZeroDivisionError") as raised:
        call_command("elevate_doctor", "--order", ref)
    assert raised.value.returncode == 3


def test_a_member_who_cannot_be_worked_out_is_told_and_one_who_has_the_course_is_shown_it(sold, monkeypatch):
    Member.objects.create_user(email="ada@example.org", password="x", member_number="M-1")

    def fail(self: PlainSource, user: Any) -> Learner:
        raise ZeroDivisionError("the store is broken")

    monkeypatch.setattr(PlainSource, "learner_for", fail)
    with pytest.raises(CommandError, match="could not be worked out: ZeroDivisionError") as raised:
        call_command("elevate_doctor", "--member", "M-1")
    assert raised.value.returncode == 3
    monkeypatch.setattr(
        PlainSource, "learner_for", lambda self, user: Learner("M-1", "Ada", "Sample", user.email)
    )
    out = StringIO()
    call_command("elevate_doctor", "--member", "M-1", "--product", "ABCD1234", stdout=out)
    row = Registration.objects.get()
    assert (
        f"already: order {row.order_ref}: registered, registration ID {row.registration_id}" in out.getvalue()
    )
