"""A small association's AMS with a store: what a host of django-elevate-integration looks like."""

from __future__ import annotations
