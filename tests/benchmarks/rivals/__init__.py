"""What people would write instead: a sale with a registration ID, a job that posts it, and an engine that runs the job."""

from __future__ import annotations
