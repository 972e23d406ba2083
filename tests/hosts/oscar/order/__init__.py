"""A fork of Oscar's order app, as `oscar_fork_app order` makes one. For `test_fork.py`."""

from __future__ import annotations
