"""Whoever measures, in place while a test runs; nobody afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from elevate_integration.observing import set_observers
from elevate_integration.watching.standing import reader


@pytest.fixture(autouse=True)
def nobody_observes() -> Iterator[None]:
    """No observer and no reading of an earlier test counts."""
    reader.forget()
    yield
    set_observers()
    reader.forget()


class Notes:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, dict[str, Any], str]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []

    def begin(self, step: str, keys: dict[str, Any]) -> Any:
        return lambda ended, error: self.steps.append((step, dict(ended), error))

    def happened(self, what: str, keys: dict[str, Any]) -> None:
        self.told.append((what, keys))

    def of(self, step: str) -> list[dict[str, Any]]:
        return [keys for name, keys, _ in self.steps if name == step]


@pytest.fixture
def notes() -> Notes:
    """An observer that is in place."""
    kept = Notes()
    set_observers(kept)
    return kept
