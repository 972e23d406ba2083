"""The association's store: products, cart, orders, a pretend payment, refunds."""

from __future__ import annotations
