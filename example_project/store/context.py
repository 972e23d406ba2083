"""What every page of the site needs: the association's name and what is in the cart."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from example_project.store.models import Order, OrderLine

ASSOCIATION = "Riverbend Association of Land Surveyors"


def site(request: HttpRequest) -> dict[str, Any]:
    """Give the templates the association's name and a lazily counted cart."""
    return {"association": ASSOCIATION, "demo": settings.DEMO, "cart_count": lambda: _count(request)}


def _count(request: HttpRequest) -> int:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return 0
    lines = OrderLine.objects.filter(order__member=user, order__status=Order.Status.OPEN)
    return lines.aggregate(n=Sum("quantity"))["n"] or 0
