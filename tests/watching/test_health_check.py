"""The check for django-health-check, asked through that package's own view."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncRequestFactory
from django.utils import timezone
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from elevate_integration.models import DeliveryState
from elevate_integration.watching.health_check import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
CHECK = "elevate_integration.watching.health_check.Delivery"


async def ask() -> Any:
    view = HealthCheckView.as_view(checks=[CHECK])
    return await view(AsyncRequestFactory().get("/", headers={"Accept": "application/json"}))


def ask_the_view() -> tuple[int, str]:
    answer = async_to_sync(ask)()
    return answer.status_code, answer.content.decode()


def test_delivery_that_is_well_passes():
    DeliveryState.objects.create(pk=1, heartbeat_at=timezone.now())
    status, body = ask_the_view()
    assert (status, "OK" in body) == (200, True)


def test_trouble_fails_with_its_reasons():
    DeliveryState.objects.create(
        pk=1, paused=True, alarm="51 new registrations.", heartbeat_at=timezone.now()
    )
    status, body = ask_the_view()
    assert status == 500
    assert "Delivery is paused. 51 new registrations." in body


def test_the_check_itself_raises_what_the_package_expects():
    with pytest.raises(ServiceUnavailable, match="Nothing delivers"):
        Delivery().run()
