"""The plain shop as host, one mapping, and people who log in: their learner is `M-` and their first name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from elevate_integration.models import ProductMapping, Registration
from elevate_integration.orders.source import Learner
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping, make_row


@pytest.fixture
def host(settings: Any, db: None, monkeypatch: pytest.MonkeyPatch) -> type[PlainSource]:
    """The plain shop, which knows who is behind a log-in."""

    def learner_for(self: PlainSource, user: Any) -> Learner | None:
        return Learner(f"M-{user.first_name}") if user.is_authenticated and user.first_name else None

    monkeypatch.setattr(PlainSource, "broken", None)
    monkeypatch.setattr(PlainSource, "learner_for", learner_for)
    settings.ELEVATE = {
        **settings.ELEVATE,
        "URL": "https://elevate.example",
        "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    }
    return PlainSource


@pytest.fixture
def mapping(host: type[PlainSource]) -> ProductMapping:
    """The course Ethics, ABCD1234 at Elevate."""
    return make_mapping()


@pytest.fixture
def ada(host: type[PlainSource]) -> Any:
    """A member, M-Ada at Elevate."""
    return get_user_model().objects.create_user("ada@example.org", "secret", first_name="Ada")


@pytest.fixture
def bob(host: type[PlainSource]) -> Any:
    """Another member, M-Bob."""
    return get_user_model().objects.create_user("bob@example.org", "secret", first_name="Bob")


@pytest.fixture
def adas(mapping: ProductMapping) -> Callable[..., Registration]:
    """Make a registration of Ada's; present at Elevate with a page unless said otherwise."""

    def make(**fields: Any) -> Registration:
        start = {"learner_key": "M-Ada", "product_url": "https://elevate.example/p", "at_elevate": "present"}
        return make_row(fields.pop("mapping", mapping), **{**start, **fields})

    return make
