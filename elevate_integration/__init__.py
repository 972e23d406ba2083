"""Registers members at the Elevate LMS in real time when they buy a course in a Django-based AMS."""

from __future__ import annotations

__version__ = "0.1.0"
