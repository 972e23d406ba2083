"""A fake Elevate over HTTP, a mapped course, and delivery on request, inside an Oscar shop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from elevate_integration import receivers
from elevate_integration.conf import order_source
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import ProductMapping
from elevate_integration.orders.oscar import OscarSource
from elevate_integration.testing import FakeElevate
from tests.hosts.oscar import shop


@pytest.fixture(autouse=True)
def elevate(settings: Any) -> Iterator[FakeElevate]:
    """A fake Elevate that the settings point to. It sells ABCD1234 and LAW5678."""
    with FakeElevate(api_key="test-key", products=("ABCD1234", "LAW5678")) as fake:
        settings.ELEVATE = {**settings.ELEVATE, "URL": fake.url, "RETRY_FIRST": 0.0, "RETRY_CEILING": 0.0}
        yield fake


@pytest.fixture
def configure(settings: Any) -> Iterator[Callable[..., OscarSource]]:
    """Give the source other options, and the package other settings; gives the source made anew."""

    def run(source: str = "", /, **options: Any) -> OscarSource:
        given = {**settings.ELEVATE, "OSCAR": options}
        settings.ELEVATE = {**given, "ORDER_SOURCE": source} if source else given
        receivers.connect()
        made = order_source()
        assert isinstance(made, OscarSource)
        return made

    yield run
    receivers.disconnect()


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    """Whatever a test connected, the next one starts with the watches of the settings."""
    receivers.connect()
    yield
    receivers.connect()


@pytest.fixture
def source() -> OscarSource:
    """The source as the settings make it."""
    made = order_source()
    assert isinstance(made, OscarSource)
    return made


@pytest.fixture
def deliver(transactional_db: None) -> Callable[[], int]:
    """Deliver everything that is due, and what falls due by it. Gives the number of calls made.

    The worker's threads see committed rows only, so a test that delivers commits; the others are rolled back.
    """
    return lambda: Worker(threads=2).run_once(sweeping=False)


@pytest.fixture
def ethics(db: Any) -> Any:
    """A course, mapped by its SKU."""
    ProductMapping.objects.create(
        product_key="sku:ETHICS", product_title="Ethics", remote_product_id="ABCD1234"
    )
    return shop.course("ETHICS", "Ethics 101", "100.00")


@pytest.fixture
def law(db: Any) -> tuple[Any, Any, Any]:
    """A course with two variants: by day, which has a UPC, and by night."""
    parent = shop.course("", "Law", "", structure="parent", upc="LAW")
    kind = {"structure": "child", "parent": parent, "product_class": None}
    day = shop.course("LAW-DAY", "By day", "90.00", upc="111", **kind)
    night = shop.course("LAW-NIGHT", "", "80.00", **kind)
    return parent, day, night


@pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def requests_atomic(request: Any, monkeypatch: Any) -> bool:
    """Run the test with ATOMIC_REQUESTS off and on."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", request.param)
    return bool(request.param)
