"""Takes the place of Oscar's own app."""

from __future__ import annotations

from oscar.apps.checkout import apps


class CheckoutConfig(apps.CheckoutConfig):
    """Oscar finds `views` here before its own."""

    name = "tests.hosts.oscar.checkout"
