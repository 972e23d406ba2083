"""An installation in which somebody delivers."""

from __future__ import annotations

import pytest
from django.utils import timezone

from elevate_integration.models import DeliveryState


@pytest.fixture
def alive(elevate):
    DeliveryState.objects.update_or_create(pk=1, defaults={"heartbeat_at": timezone.now()})


@pytest.fixture
def sold(sell, deliver, alive, elevate):
    sell("ETHICS")
    deliver()
    return elevate
