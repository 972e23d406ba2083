"""Forgetting: records of calls after a time, names and addresses after a time, and one member on request.

What stays still cancels by its registration ID and still counts. Rows with which something is yet to happen are passed
over, and every function says how many and why. Nothing here calls Elevate.
"""

from __future__ import annotations

from elevate_integration.forgetting.ageing import forget_old, prune_attempts
from elevate_integration.forgetting.erasing import SeveralMembers, erase, erase_learner_of, has_learner
from elevate_integration.forgetting.rows import CALL_OPEN, DUPLICATE, LINKED, Tally, why_not

__all__ = [
    "CALL_OPEN",
    "DUPLICATE",
    "LINKED",
    "SeveralMembers",
    "Tally",
    "erase",
    "erase_learner_of",
    "forget_old",
    "has_learner",
    "prune_attempts",
    "why_not",
]
