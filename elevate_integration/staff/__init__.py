"""What a person does: every act of staff, whichever door it comes through (admin, REST API, command line).

Each function is one transaction with its rows locked, writes the wish or what a person saw at Elevate, and wakes
delivery after the commit. None of them sends anything, and none of them asks for permission: doors do that.
"""

from __future__ import annotations

from elevate_integration.staff.addresses import Checked, check_addresses, is_own_host, problem_words
from elevate_integration.staff.cancelling import cancel, keep, let_go, mark_cancelled
from elevate_integration.staff.covering import covering
from elevate_integration.staff.delivery import clear_alarm, delivery_state, pause, resume
from elevate_integration.staff.duplicates import cancel_duplicates, duplicates, is_duplicate
from elevate_integration.staff.exporting import Export, export, exportable
from elevate_integration.staff.finding import FOUND_AT_MOST, find
from elevate_integration.staff.mapping import Saved, mapping_mistakes, save_mapping
from elevate_integration.staff.products import (
    Decided,
    apply_to_past,
    follow_mappings,
    leave_past,
    mapping_changed,
    not_for_elevate,
    refused_of,
)
from elevate_integration.staff.registering import (
    RESYNCED_AT_ONCE,
    mark_registered,
    register_again,
    resync,
    resync_or_mark,
    retry,
)
from elevate_integration.staff.rows import NO_SUCH_ROW, Acted
from elevate_integration.staff.warnings import mapping_warnings

__all__ = [
    "FOUND_AT_MOST",
    "NO_SUCH_ROW",
    "RESYNCED_AT_ONCE",
    "Acted",
    "Checked",
    "Decided",
    "Export",
    "Saved",
    "apply_to_past",
    "cancel",
    "cancel_duplicates",
    "check_addresses",
    "clear_alarm",
    "covering",
    "delivery_state",
    "duplicates",
    "export",
    "exportable",
    "find",
    "follow_mappings",
    "is_duplicate",
    "is_own_host",
    "keep",
    "leave_past",
    "let_go",
    "mapping_changed",
    "mapping_mistakes",
    "mapping_warnings",
    "mark_cancelled",
    "mark_registered",
    "not_for_elevate",
    "pause",
    "problem_words",
    "refused_of",
    "register_again",
    "resume",
    "resync",
    "resync_or_mark",
    "retry",
    "save_mapping",
]
