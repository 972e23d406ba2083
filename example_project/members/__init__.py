"""The association's members, who are also the users of its site."""

from __future__ import annotations
