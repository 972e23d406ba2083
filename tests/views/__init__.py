"""Tests of the pages for members and buyers."""

from __future__ import annotations
