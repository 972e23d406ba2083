"""Fixtures of faults, and those of delivery that faults need too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elevate_integration.testing import FakeElevate
from tests.delivery.conftest import make_due, make_live
from tests.faults.answers import SETTINGS
from tests.faults.servers import Office, Postgres, postgres

__all__ = ["make_due", "make_live"]


@pytest.fixture
def short_times(elevate: FakeElevate, settings: Any) -> None:
    """Time-outs and pauses that fit a test."""
    settings.ELEVATE = {**settings.ELEVATE, **SETTINGS}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server that may be disturbed."""
    with postgres() as made:
        yield made


@pytest.fixture
def office(server: Postgres, elevate: FakeElevate, tmp_path: Path) -> Iterator[Office]:
    """A shop on that server."""
    made = Office(tmp_path, elevate, server)
    yield made
    made.close()
