"""Tests of the room that speaks to Elevate."""

from __future__ import annotations
