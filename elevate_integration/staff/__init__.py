"""What a person does: every act of staff, whichever door it comes through (admin, REST API, command line).

Each function is one transaction with its rows locked, writes the wish or what a person saw at Elevate, and wakes
delivery after the commit. None of them sends anything, and none of them asks for permission: doors do that.
"""

from __future__ import annotations

from elevate_integration.staff.cancelling import cancel, keep, let_go, mark_cancelled
from elevate_integration.staff.delivery import clear_alarm, delivery_state, pause, resume
from elevate_integration.staff.products import (
    Decided,
    apply_to_past,
    leave_past,
    mapping_changed,
    not_for_elevate,
)
from elevate_integration.staff.registering import mark_registered, register_again, resync, retry
from elevate_integration.staff.rows import Acted

__all__ = [
    "Acted",
    "Decided",
    "apply_to_past",
    "cancel",
    "clear_alarm",
    "delivery_state",
    "keep",
    "leave_past",
    "let_go",
    "mapping_changed",
    "mark_cancelled",
    "mark_registered",
    "not_for_elevate",
    "pause",
    "register_again",
    "resume",
    "resync",
    "retry",
]
