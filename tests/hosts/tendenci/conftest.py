"""A database put back after each test, a fake Elevate over HTTP, and delivery on request, inside a Tendenci site.

Tendenci works in autocommit, so a test cannot run in a transaction that is rolled back; flushing its 328 tables would
also take the settings that it cannot start without.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connections

from elevate_integration import receivers
from elevate_integration.conf import order_source
from elevate_integration.delivery.worker import Worker
from elevate_integration.orders.tendenci import TendenciSource
from elevate_integration.testing import FakeElevate
from tests.hosts.tendenci import database
from tests.hosts.tendenci.site import Site


@pytest.fixture(scope="session")
def filled(django_db_blocker: Any) -> Iterator[database.State]:
    """A copy of the database that `.ci/run` made, with this package's tables and the site's events and people."""
    base = os.environ["TENDENCI_DATABASE_URL"]
    with django_db_blocker.unblock():
        connections.close_all()
        url = database.copy(base, f"{database.name_of(base)}_{os.getpid()}")
        django_settings.DATABASES["default"]["NAME"] = database.name_of(url)
        connections["default"].settings_dict["NAME"] = database.name_of(url)
        try:
            call_command("migrate", "elevate_integration", verbosity=0, skip_checks=True)
            Site.fill()
            with connections["default"].cursor() as cursor:
                state = database.remember(cursor.cursor)
            yield state
        finally:
            connections.close_all()
            database.drop(url)


@pytest.fixture(scope="session")
def django_db_setup(filled: database.State) -> None:
    """Instead of pytest-django's own, which would migrate Tendenci into a new database."""


@pytest.fixture(autouse=True)
def test_database(filled: database.State, django_db_blocker: Any) -> Iterator[None]:
    """The database as `filled` left it, whatever the test before did."""
    cache.clear()
    with django_db_blocker.unblock():
        yield
        with connections["default"].cursor() as cursor:
            database.restore(cursor.cursor, filled)


@pytest.fixture(autouse=True)
def elevate(settings: Any, test_database: None) -> Iterator[FakeElevate]:
    """A fake Elevate that the settings point to. It sells ABCD1234, LAW5678 and MEMBER99."""
    with FakeElevate(api_key="test-key", products=("ABCD1234", "LAW5678", "MEMBER99")) as fake:
        settings.ELEVATE = {**settings.ELEVATE, "URL": fake.url, "RETRY_FIRST": 0.0, "RETRY_CEILING": 0.0}
        receivers.connect()
        yield fake


@pytest.fixture
def site() -> Site:
    """The association's site as its visitors and staff use it."""
    return Site()


@pytest.fixture
def source() -> TendenciSource:
    """The source as the settings make it."""
    made = order_source()
    assert isinstance(made, TendenciSource)
    return made


@pytest.fixture
def deliver() -> Callable[[], int]:
    """Deliver everything that is due, and what falls due by it. Gives the number of calls made."""
    return lambda: Worker(threads=2).run_once(sweeping=False)
