"""Clients with chosen permissions, and a store whose orders are named by any text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from rest_framework.test import APIClient

from elevate_integration.models import ProductMapping, Registration
from tests.api.source import AnyText
from tests.rows import make_mapping, make_person, make_row

Clients = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def host(settings: Any, db: None) -> Iterator[None]:
    """The store of any text is the host; nothing was asked yet."""
    AnyText.orders, AnyText.broken = set(), None
    settings.ELEVATE = {
        **settings.ELEVATE,
        "URL": "https://elevate.example",
        "ORDER_SOURCE": "tests.api.source.AnyText",
    }
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def mapping() -> ProductMapping:
    """A mapping of the course Ethics."""
    return make_mapping()


@pytest.fixture
def row(mapping: ProductMapping) -> Callable[..., Registration]:
    """Make a registration in any state."""

    def make(**fields: Any) -> Registration:
        return make_row(fields.pop("of", mapping), **fields)

    return make


def log_in(name: str, *codenames: str) -> APIClient:
    """Log somebody in with exactly these permissions of ours."""
    client = APIClient()
    client.force_login(make_person(name, *codenames))
    return client


@pytest.fixture
def client_of() -> Clients:
    """Log somebody in who holds these permissions, and no staff flag."""
    return lambda *codenames: log_in("clerk@example.org", *codenames)


@pytest.fixture
def boss() -> APIClient:
    """Somebody who may do everything."""
    client = APIClient()
    client.force_login(get_user_model().objects.create_superuser("boss@example.org", "secret"))
    return client
