"""The addresses for monitors: who may ask, what they tell, and what a load balancer gets while things are away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration.models import DeliveryState, Registration
from elevate_integration.watching import health, views
from tests.rows import make_mapping, make_person, make_row

TOKEN = "a-token-of-more-than-twenty-characters"
GUARDED = ("/watch/delivery/", "/watch/metrics/")
OPEN = ("/watch/live/", "/watch/ready/")

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.watching.urls")]


@pytest.fixture(autouse=True)
def with_token(settings: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "MONITOR_TOKEN": TOKEN, "WATCH": ["prometheus"]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def well() -> DeliveryState:
    return DeliveryState.objects.create(pk=1, heartbeat_at=timezone.now())


@pytest.mark.parametrize("address", OPEN)
def test_alive_and_ready_are_told_to_everybody(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_alive_is_told_without_a_query(client):
    with CaptureQueriesContext(connection) as asked:
        client.get("/watch/live/")
    assert len(asked) == 0


def break_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise DatabaseError("no such table, said Ada")

    monkeypatch.setattr(health, "database", fail)


def test_a_process_without_its_tables_is_alive_and_not_ready_and_says_no_more(client, monkeypatch, caplog):
    break_tables(monkeypatch)
    answer = client.get("/watch/ready/")
    assert (answer.status_code, answer.json()) == (503, {"ok": False})
    assert client.get("/watch/live/").status_code == 200
    assert "elevate.process.not_ready" in {getattr(record, "event", "") for record in caplog.records}


def test_a_shop_is_ready_while_elevate_is_away(client, well):
    DeliveryState.objects.update(gate="unreachable", paused=True, alarm="51 new")
    assert client.get("/watch/ready/").status_code == 200


@pytest.mark.parametrize("address", GUARDED)
def test_strangers_are_asked_for_the_token(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer["WWW-Authenticate"], answer.content) == (
        401,
        'Bearer realm="monitor"',
        b"",
    )


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize(
    "header", ["Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \N{SNOWMAN}"]
)
def test_another_token_is_none(client, address, header):
    assert client.get(address, headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("address", GUARDED)
def test_without_a_token_in_the_settings_no_token_opens(client, settings, address):
    settings.ELEVATE = {**settings.ELEVATE, "MONITOR_TOKEN": ""}
    assert client.get(address, headers=bearer("")).status_code == 401
    assert client.get(address, headers={"Authorization": "Bearer"}).status_code == 401


@pytest.mark.parametrize("address", GUARDED)
def test_the_token_opens(client, well, address):
    assert client.get(address, headers=bearer(TOKEN)).status_code == 200
    assert client.get(address, headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize(
    ("codenames", "status"),
    [((), 403), (("view_registration",), 403), (("view_deliverystate",), 200), (("pause_delivery",), 200)],
)
def test_a_log_in_needs_a_permission_of_delivery(client, well, address, codenames, status):
    client.force_login(make_person("office", *codenames))
    assert client.get(address).status_code == status


def test_trouble_is_told_with_503_and_its_reasons(client):
    mapping = make_mapping()
    make_row(mapping, due_at=timezone.now() - timedelta(hours=2))
    DeliveryState.objects.create(pk=1, gate="key", heartbeat_at=timezone.now())
    answer = client.get("/watch/delivery/", headers=bearer(TOKEN))
    told = answer.json()
    assert (answer.status_code, told["ok"], told["condition"]) == (503, False, "key")
    assert told["trouble"] == ["Elevate refuses the API key", "A call has been due for too long."]
    assert 7200 <= told["oldest_due_seconds"] < 7300


def test_delivery_that_is_well_is_told_with_200(client, well):
    answer = client.get("/watch/delivery/", headers=bearer(TOKEN))
    told = answer.json()
    assert (answer.status_code, told["ok"], told["trouble"]) == (200, True, [])
    assert answer["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


def test_metrics_come_in_the_form_of_prometheus(client, well):
    answer = client.get("/watch/metrics/", headers=bearer(TOKEN))
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert b"elevate_database_up 1.0" in answer.content
    assert TOKEN.encode() not in answer.content


def test_where_nothing_is_measured_there_are_no_metrics(client, settings):
    settings.ELEVATE = {**settings.ELEVATE, "WATCH": ["opentelemetry"]}
    assert client.get("/watch/metrics/", headers=bearer(TOKEN)).status_code == 404


def test_where_the_extra_is_gone_there_are_no_metrics(client, monkeypatch):
    monkeypatch.setattr(views, "find_spec", lambda name: None)
    assert client.get("/watch/metrics/", headers=bearer(TOKEN)).status_code == 404


@pytest.mark.parametrize("address", [*OPEN, *GUARDED])
def test_asking_is_all_that_can_be_done(address):
    client = Client(enforce_csrf_checks=True)
    for method in (client.post, client.put, client.patch, client.delete):
        assert method(address, headers=bearer(TOKEN)).status_code in (403, 405)
    assert client.head(address, headers=bearer(TOKEN)).content == b""


@pytest.mark.parametrize("address", GUARDED)
def test_nothing_of_members_is_told(client, address):
    row = make_row(
        make_mapping(), obstacle="refused", error_messages=[["email", "ada@example.org is in use"]]
    )
    DeliveryState.objects.create(
        pk=1, gate="key", gate_message="ada@example.org", heartbeat_at=timezone.now()
    )
    told = client.get(address, headers=bearer(TOKEN)).content.decode()
    assert Registration.objects.count() == 1
    assert [
        text for text in (row.email, row.lastname, row.remote_user_id, "ada@", "test-key") if text in told
    ] == []
