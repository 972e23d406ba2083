"""A product that a visitor chose before logging in: kept in the session, put in the cart at the log-in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from example_project.store import services
from example_project.store.models import Product

_KEY = "waiting_product"


def remember(request: HttpRequest, product: Product) -> None:
    """Keep the product until the visitor has logged in."""
    request.session[_KEY] = product.sku


def connect() -> None:
    """Listen for log-ins."""
    user_logged_in.connect(_put_in_cart, dispatch_uid="store.waiting")


def _put_in_cart(*, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    sku = request.session.pop(_KEY, "") if request is not None and hasattr(request, "session") else ""
    product = Product.objects.filter(sku=sku, active=True).first() if sku else None
    if product is not None:
        services.ensure_in_cart(user, product)
