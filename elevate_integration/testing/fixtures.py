"""For hosts: `pytest_plugins = ["elevate_integration.testing.fixtures"]` offers the fixture `fake_elevate`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elevate_integration.testing.fake import FakeElevate


@pytest.fixture
def fake_elevate() -> Iterator[FakeElevate]:
    """A running fake Elevate that nobody has called yet; its key is "test-key", its product "ABCD1234"."""
    with FakeElevate() as fake:
        yield fake
