"""Tests against real hosts, each in its own environment and excluded from the default run."""

from __future__ import annotations
