"""A fork of Oscar's checkout, as shops make one: Oscar itself takes no payment."""

from __future__ import annotations
