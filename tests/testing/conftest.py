"""A running fake and the two calls of the vendor's page, sent by `requests`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from elevate_integration.testing import FakeElevate

REGISTER = "/api/registrations"
CANCEL = "/registrations/cancel"
KEY = "a-key-of-the-tests"

Post = Callable[..., requests.Response]


def registration(**changes: Any) -> dict[str, Any]:
    """The vendor's example, with changes."""
    return {
        "api_key": KEY,
        "remote_user_id": "M-1001",
        "firstname": "Ada",
        "lastname": "Example",
        "email": "ada@example.org",
        "remote_product_id": "ABCD1234",
        "amount_paid": "0.00",
        "send_email": False,
        **changes,
    }


def cancellation(registration_id: int | str, **changes: Any) -> dict[str, Any]:
    return {
        "api_key": KEY,
        "registration_id": registration_id,
        "cancellations_email": "office@example.org",
        "cancellation_explanation": "Refunded",
        "notify_cancelled_user": False,
        "cancellation_explanation_for_user": "",
        **changes,
    }


@pytest.fixture
def fake() -> Iterator[FakeElevate]:
    with FakeElevate(api_key=KEY) as running:
        yield running


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        # A CA bundle named in the environment would win over the certificate that a test gives.
        session.trust_env = False
        yield session


@pytest.fixture
def register(fake: FakeElevate, http: requests.Session) -> Post:
    def post(**changes: Any) -> requests.Response:
        return http.post(fake.url + REGISTER, json=registration(**changes), timeout=10)

    return post


@pytest.fixture
def cancel(fake: FakeElevate, http: requests.Session) -> Post:
    def post(registration_id: int | str, **changes: Any) -> requests.Response:
        return http.post(fake.url + CANCEL, json=cancellation(registration_id, **changes), timeout=10)

    return post
