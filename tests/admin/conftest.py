"""People with chosen permissions, and registrations in every state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from elevate_integration.models import ProductMapping, Registration
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping, make_person, make_row


@pytest.fixture(autouse=True)
def host(settings: Any, db: None) -> None:
    """The plain shop is the host; no signal is connected."""
    PlainSource.broken = None
    settings.ELEVATE = {
        **settings.ELEVATE,
        "URL": "https://elevate.example",
        "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    }


@pytest.fixture
def mapping() -> ProductMapping:
    """A mapping of the course Ethics."""
    return make_mapping()


@pytest.fixture
def row(mapping: ProductMapping) -> Callable[..., Registration]:
    """Make a registration in any state."""

    def make(**fields: Any) -> Registration:
        return make_row(mapping, **fields)

    return make


@pytest.fixture
def staff_client() -> Callable[..., Client]:
    """Log a member of staff in, with exactly these permissions of ours."""

    def log_in(*codenames: str) -> Client:
        client = Client()
        client.force_login(make_person("staff@example.org", *codenames, is_staff=True))
        return client

    return log_in


@pytest.fixture
def boss() -> Client:
    """Somebody who may do everything."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss@example.org", "secret"))
    return client
