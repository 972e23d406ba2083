"""Health: 200 while delivery is well, 503 with the reason in words while it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from elevate_integration import overview
from elevate_integration.api.serializers import CONDITIONS
from elevate_integration.models import DeliveryState
from elevate_integration.words import GATES

HEALTH = "/api/v1/health/"


@pytest.mark.parametrize(
    ("fields", "condition", "said"),
    [
        ({"paused": True}, "paused", "paused"),
        ({"gate": "unreachable"}, "unreachable", "cannot be reached"),
        ({"gate": "key"}, "key", "refuses the API key"),
        ({"gate": "busy"}, "busy", "asks to wait"),
        ({"heartbeat_at": None}, "silent", "Nothing delivers"),
        ({"alarm": "51 new registrations in one sweep."}, "running", "51 new"),
    ],
)
def test_trouble_is_told_with_503(boss, fields, condition, said):
    DeliveryState.objects.create(pk=1, **{"heartbeat_at": timezone.now(), **fields})
    answer = boss.get(HEALTH)
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/json")
    assert (answer.json()["ok"], answer.json()["condition"]) == (False, condition)
    assert said in " ".join(answer.json()["trouble"])


def test_delivery_that_is_well_is_told_with_200(boss, row):
    DeliveryState.objects.create(pk=1, heartbeat_at=timezone.now() - timedelta(seconds=30))
    row(due_at=timezone.now() - timedelta(seconds=90))
    answer = boss.get(HEALTH)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["ok"], told["condition"], told["trouble"]) == (True, "running", [])
    assert 89 <= told["oldest_due_seconds"] < 3600
    assert 29 <= told["heartbeat_seconds"] < 3600


def test_a_call_that_has_been_due_for_too_long_is_trouble(boss, row):
    DeliveryState.objects.create(pk=1, heartbeat_at=timezone.now())
    row(due_at=timezone.now() - timedelta(hours=2))
    answer = boss.get(HEALTH)
    assert (answer.status_code, answer.json()["condition"]) == (503, "running")
    assert "due for too long" in answer.json()["trouble"][0]


def test_before_the_first_use_there_is_nothing_to_tell_and_nothing_is_written(boss):
    told = boss.get(HEALTH).json()
    assert (told["oldest_due_seconds"], told["heartbeat_seconds"]) == (None, None)
    assert not DeliveryState.objects.exists()


def test_the_document_names_every_condition_and_no_other():
    known = {overview.RUNNING, overview.PAUSED, overview.SILENT, *GATES}
    assert {name for name, _label in CONDITIONS} == known
