"""For tests and demonstrations: a fake Elevate that answers real HTTP. Never imported by production code."""

from __future__ import annotations

from elevate_integration.testing.fake import FakeElevate
from elevate_integration.testing.store import HeldRegistration

__all__ = ["FakeElevate", "HeldRegistration"]
