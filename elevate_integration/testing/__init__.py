"""For tests and demonstrations: a fake Elevate that answers real HTTP, and the contract of order sources.

Never imported by production code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elevate_integration.testing.fake import FakeElevate
from elevate_integration.testing.store import HeldRegistration

if TYPE_CHECKING:
    from elevate_integration.testing.contract import OrderSourceContract

__all__ = ["FakeElevate", "HeldRegistration", "OrderSourceContract"]


def __getattr__(name: str) -> Any:
    """Load the contract when it is asked for: it needs a configured Django, and the fake does not."""
    if name == "OrderSourceContract":
        from elevate_integration.testing.contract import OrderSourceContract

        return OrderSourceContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
