"""The store with its demonstration data, connected as a host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from elevate_integration import receivers
from example_project.members.models import Member
from example_project.store import services
from example_project.store.catalogue import load_demo
from example_project.store.models import Order, Product


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    """Listen to the store's signals, whatever another test listened to."""
    receivers.connect()
    yield
    receivers.disconnect()


@pytest.fixture
def store(db: None, connected: None) -> None:
    """The demonstration's products, mappings and people."""
    load_demo()


@pytest.fixture
def grace(store: None) -> Member:
    """A member."""
    return Member.objects.get(email="grace@example.org")


@pytest.fixture
def product(store: None) -> Callable[[str], Product]:
    """Find a product by its key."""
    return lambda sku: Product.objects.get(sku=sku)


@pytest.fixture
def buy(grace: Member, product: Callable[[str], Product]) -> Callable[..., Order]:
    """Let Grace buy products, given as `sku` or `(sku, quantity)`."""

    def run(*wanted: str | tuple[str, int]) -> Order:
        for one in wanted:
            sku, quantity = one if isinstance(one, tuple) else (one, 1)
            cart = services.add_to_cart(grace, product(sku), quantity)
        return services.checkout(cart)

    return run


@pytest.fixture
def log_in(store: None) -> Callable[[str], Client]:
    """Log in through the page, as a member does."""

    def run(email: str) -> Client:
        client = Client()
        answer = client.post("/login/", {"username": email, "password": "demo"})
        assert answer.status_code == 302
        return client

    return run


@pytest.fixture
def marks(db: None) -> Callable[[], list[Any]]:
    """Give the orders that are marked, and forget them."""
    from elevate_integration.models import OrderMark

    def run() -> list[Any]:
        refs = sorted(OrderMark.objects.values_list("order_ref", flat=True))
        OrderMark.objects.all().delete()
        return refs

    return run
