"""Tests of what members and buyers are shown."""

from __future__ import annotations
