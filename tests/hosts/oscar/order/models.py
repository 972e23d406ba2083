"""An order with a field of the shop's own; the other models are Oscar's."""

from __future__ import annotations

from django.db import models
from oscar.apps.order.abstract_models import AbstractOrder


class Order(AbstractOrder):
    """Knows the number of the buyer's own books."""

    po_number = models.CharField(max_length=20, default="PO-1")


from oscar.apps.order.models import *  # noqa: E402, F403 - Oscar makes what is not there yet
