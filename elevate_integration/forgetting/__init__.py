"""Forgetting: records of calls after a time, names and addresses after a time, and one member on request.

What stays still cancels by its registration ID and still counts. Rows with which something is yet to happen are passed
over, and every function says how many and why. Nothing here calls Elevate.
"""

from __future__ import annotations

from elevate_integration.forgetting.ageing import forget_old, prune_attempts
from elevate_integration.forgetting.erasing import SeveralMembers, erase
from elevate_integration.forgetting.rows import Tally, why_not

__all__ = ["SeveralMembers", "Tally", "erase", "forget_old", "prune_attempts", "why_not"]
