"""Tests of the example project, which is at the same time the package's first host."""

from __future__ import annotations
