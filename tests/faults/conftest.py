"""Fixtures of delivery that faults need too."""

from __future__ import annotations

from tests.delivery.conftest import make_due, make_live

__all__ = ["make_due", "make_live"]
