"""A fake Elevate, with and without TLS, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.payloads import RegisterRequest
from elevate_integration.testing import FakeElevate

KEY = "s3cret/key+with <odd> ümlauts"
ASK = RegisterRequest(
    remote_user_id="member-7",
    firstname="Adalind",
    lastname="Quxworth",
    email="adalind@quxworth.example",
    remote_product_id="ABCD1234",
    amount_paid="0.00",
)

ClientFactory = Callable[..., ElevateClient]


@pytest.fixture(params=[False, True], ids=["http", "https"])
def elevate(request: pytest.FixtureRequest) -> Iterator[FakeElevate]:
    with FakeElevate(api_key=KEY, tls=request.param) as fake:
        yield fake


@pytest.fixture
def make_client(elevate: FakeElevate) -> Iterator[ClientFactory]:
    clients: list[ElevateClient] = []

    def make(**options: Any) -> ElevateClient:
        defaults: dict[str, Any] = {"url": elevate.url, "api_key": KEY, "ca_bundle": elevate.ca_path}
        clients.append(ElevateClient(**{**defaults, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client: ClientFactory) -> ElevateClient:
    return make_client()
