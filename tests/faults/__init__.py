"""What may go wrong, played for real: killed processes, restarted servers, clocks that jump, answers that are lost."""

from __future__ import annotations
