"""Metrics as Prometheus reads them: what a sale leaves, what is read from the database, and several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from elevate_integration import watching
from elevate_integration.api.serializers import CONDITIONS
from elevate_integration.lifecycle import AtElevate, Obstacle, Status
from elevate_integration.models import DeliveryState, OrderMark, TrackedOrder
from elevate_integration.watching import prometheus, standing
from elevate_integration.watching.standing import reader
from tests.host import ROOT
from tests.rows import make_mapping, make_row

PRIVATE = "connection refused for ada@example.org"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def measured(settings: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "WATCH": ["prometheus"]}
    watching.start()


def value(name: str, **labels: str) -> float:
    """Give what the process has counted so far; zero for what it never met."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def shown() -> dict[tuple[str, tuple[str, ...]], float]:
    """Read the exposition anew, as Prometheus would: name and values of the labels to the value."""
    reader.forget()
    families = text_string_to_metric_families(prometheus.exposition().decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("elevate_")
    }


def test_a_sale_is_counted_and_timed_at_each_step(sell, deliver, elevate):
    names = {
        "elevate_capture_seconds_count": {"result": "ok"},
        "elevate_sync_seconds_count": {"trigger": "mark", "result": "written"},
        "elevate_call_seconds_count": {"operation": "register", "outcome": "done"},
        "elevate_status_changes_total": {"status": "registered"},
        "elevate_wait_seconds_count": {},
    }
    before = {name: value(name, **labels) for name, labels in names.items()}
    sell("ETHICS")
    deliver()
    grown = {name: value(name, **labels) - before[name] for name, labels in names.items()}
    assert grown.pop("elevate_capture_seconds_count") >= 1
    assert set(grown.values()) == {1.0}


def test_claims_are_counted_with_their_rows(sell, deliver, elevate):
    elevate.fail("status", status=429)
    before = value("elevate_claimed_total"), value("elevate_claim_seconds_count")
    sell("ETHICS")
    deliver()
    assert value("elevate_claimed_total") - before[0] >= 1
    assert value("elevate_claim_seconds_count") > before[1]


def test_what_fails_is_counted_as_failed(sell, deliver, plainshop, elevate, monkeypatch):
    labels = {"operation": "register", "outcome": "refused"}
    before = value("elevate_call_seconds_count", **labels)
    elevate.fail("refuse")
    sell("ETHICS")
    deliver()
    assert value("elevate_call_seconds_count", **labels) - before == 1

    before = value("elevate_sync_seconds_count", trigger="mark", result="failed")
    plainshop.broken = LookupError("no")
    sell("LAW")
    deliver()
    assert value("elevate_sync_seconds_count", trigger="mark", result="failed") - before >= 1

    def fail(*args: Any) -> None:
        raise LookupError("no")

    before = value("elevate_capture_seconds_count", result="failed")
    monkeypatch.setattr("elevate_integration.marks._mark", fail)
    sell("LAW")
    assert value("elevate_capture_seconds_count", result="failed") - before >= 1


def test_the_database_tells_how_delivery_stands():
    mapping = make_mapping()
    hour_ago = timezone.now() - timedelta(hours=1)
    make_row(mapping, due_at=hour_ago)
    make_row(mapping, at_elevate=AtElevate.PRESENT)
    make_row(mapping, obstacle=Obstacle.REFUSED)
    OrderMark.objects.create(order_ref="7", due_at=hour_ago)
    OrderMark.objects.create(order_ref="8", due_at=timezone.now() + timedelta(hours=1))
    TrackedOrder.objects.create(order_ref="9", failed_at=hour_ago)
    DeliveryState.objects.create(pk=1, gate="busy", alarm="51 new", heartbeat_at=hour_ago)
    told = shown()
    by_status = {status: told["elevate_registrations", (str(status),)] for status in Status}
    assert {status: number for status, number in by_status.items() if number} == {
        Status.PENDING: 1,
        Status.REGISTERED: 1,
        Status.REFUSED: 1,
    }
    assert told["elevate_registrations_need_person", ("refused",)] == 1
    assert told["elevate_registrations_need_person", ("held",)] == 0
    assert (told["elevate_due_calls", ()], told["elevate_due_orders", ()]) == (1, 1)
    assert 3600 <= told["elevate_oldest_due_call_seconds", ()] < 3700
    assert 3600 <= told["elevate_oldest_due_order_seconds", ()] < 3700
    assert told["elevate_unread_orders", ()] == 1
    conditions = {c: told["elevate_delivery_condition", (c,)] for c in prometheus.CONDITIONS}
    assert {c for c, so in conditions.items() if so} == {"busy"}
    assert told["elevate_delivery_alarm", ()] == 1
    assert told["elevate_heartbeat_timestamp_seconds", ()] == pytest.approx(hour_ago.timestamp(), abs=30)
    assert told["elevate_database_up", ()] == 1


def test_before_the_first_sale_everything_is_there_and_zero():
    told = shown()
    found = {name for name, _ in told}
    assert prometheus.READ.keys() <= found
    assert told["elevate_heartbeat_timestamp_seconds", ()] == 0
    assert told["elevate_oldest_due_call_seconds", ()] == 0
    assert told["elevate_delivery_condition", ("silent",)] == 1


NEW = """
import django; django.setup()
from elevate_integration.watching import prometheus
print(prometheus.exposition().decode())
"""


def test_failures_are_shown_as_zero_before_the_first_one_so_that_its_growth_is_seen():
    ended = subprocess.run(
        [sys.executable, "-c", NEW],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for series in (
        'elevate_capture_seconds_count{result="failed"} 0.0',
        'elevate_call_seconds_count{operation="cancel",outcome="unknown"} 0.0',
        'elevate_status_changes_total{status="refused"} 0.0',
    ):
        assert series in ended.stdout, ended.stderr


def test_the_conditions_are_those_of_the_rest_api():
    assert set(prometheus.CONDITIONS) == {name for name, _ in CONDITIONS}


def test_numbers_are_counted_up_to_a_limit(monkeypatch):
    mapping = make_mapping()
    for _ in range(3):
        make_row(mapping, due_at=timezone.now() - timedelta(minutes=1))
    monkeypatch.setattr(standing, "COUNTED_AT_MOST", 2)
    assert shown()["elevate_due_calls", ()] == 2


def test_scrapes_that_follow_each_other_ask_the_database_once():
    prometheus.exposition()
    with CaptureQueriesContext(connection) as asked:
        prometheus.exposition()
    assert len(asked) == 0
    with CaptureQueriesContext(connection) as asked:
        shown()
    assert 0 < len(asked) <= 12


def test_a_reading_that_is_too_old_is_made_again(monkeypatch):
    prometheus.exposition()
    monkeypatch.setattr(standing, "FRESH", -1.0)
    with CaptureQueriesContext(connection) as asked:
        prometheus.exposition()
    assert len(asked) > 0


def test_a_database_that_is_away_is_told_and_what_the_process_counted_stays(monkeypatch, caplog):
    def away() -> None:
        raise OperationalError(PRIVATE)

    prometheus.CLAIMED.inc(0)
    monkeypatch.setattr(standing, "read", away)
    told = shown()
    assert told["elevate_database_up", ()] == 0
    assert {name for name, _ in told} & prometheus.READ.keys() == {"elevate_database_up"}
    assert ("elevate_claimed_total", ()) in told
    assert [record.event for record in caplog.records] == ["elevate.standing.unreadable"]
    assert PRIVATE not in caplog.text


def test_starting_again_registers_nothing_twice_and_asks_nothing():
    with CaptureQueriesContext(connection) as asked:
        watching.start()
        watching.start()
    assert len(asked) == 0
    assert len([key for key in shown() if key[0] == "elevate_database_up"]) == 1


def test_a_connection_that_was_opened_to_read_is_closed_and_one_that_was_open_stays():
    connection.ensure_connection()
    shown()
    assert connection.connection is not None
    connection.close()
    shown()
    assert connection.connection is None


COUNT = """
import django; django.setup()
from elevate_integration import observing
observing.tell("status", status="registered", waited=1.0)
"""
SHOW = """
import django; django.setup()
from elevate_integration.watching import prometheus
print(prometheus.exposition().decode())
"""


def test_processes_that_share_a_folder_are_added_up_and_read_the_database_once(tmp_path):
    name = connection.settings_dict["NAME"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.watching.process_settings",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "ELEVATE_TEST_NAME": str(name),
    }

    def run(code: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    for _ in range(2):
        run(COUNT)
    told = run(SHOW)
    assert 'elevate_status_changes_total{status="registered"} 2.0' in told
    assert "elevate_wait_seconds_count 2.0" in told
    assert told.count("\nelevate_database_up 1.0") == 1
