"""`manage.py demo`: the store, a fake Elevate and delivery on one machine, to try by hand or to prove itself."""

from __future__ import annotations
