"""Tests against a real Tendenci: `.ci/run --all` runs them, or see docs/tendenci.md."""

from __future__ import annotations
