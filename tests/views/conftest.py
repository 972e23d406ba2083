"""The same members and courses as in the tests of `members`."""

from __future__ import annotations

from tests.members.conftest import ada, adas, bob, host, mapping

__all__ = ["ada", "adas", "bob", "host", "mapping"]
