"""Accounts without user name, first name and last name: a UUID and an e-mail address. For `test_fork.py`."""

from __future__ import annotations
