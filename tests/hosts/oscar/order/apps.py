"""Takes the place of Oscar's own app, under the same label."""

from __future__ import annotations

from oscar.apps.order import apps


class OrderConfig(apps.OrderConfig):
    """Oscar finds the models here before its own."""

    name = "tests.hosts.oscar.order"
