"""What people do in the shop, through Oscar's own forms, views and classes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from oscar.apps.order.processing import EventHandler
from oscar.core.loading import get_class, get_model
from oscar.test import factories

ADA = {"first_name": "Ada", "last_name": "Sample", "email": "ada@example.org"}


def course(sku: str, title: str, price: str, **fields: Any) -> Any:
    """Put a course into the catalogue: digital, with a SKU, never out of stock."""
    kinds = get_model("catalogue", "ProductClass").objects
    kind, _ = kinds.get_or_create(name="Course", requires_shipping=False, track_stock=False)
    product = get_model("catalogue", "Product").objects.create(
        title=title, **{"product_class": kind, "structure": "standalone", **fields}
    )
    if sku:
        factories.create_stockrecord(product, price=Decimal(price), partner_sku=sku, partner_name="House")
    return product


def member(**fields: Any) -> Any:
    """Make a member's account."""
    given = {**ADA, **fields}
    user = get_user_model().objects.create(username=given["email"], **given)
    user.set_password("secret-word-1")
    user.save()
    return user


def visitor(user: Any = None) -> Client:
    """Open a browser, logged in or not."""
    client = Client()
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def put_into_basket(client: Client, product: Any, quantity: int = 1, **fields: Any) -> None:
    """Send the form of the product's page."""
    answer = client.post(reverse("basket:add", args=[product.pk]), {"quantity": quantity, **fields})
    assert answer.status_code == 302


def check_out(client: Client, guest: str = "") -> Any:
    """Go through Oscar's checkout to its last page; gives the order."""
    start = reverse("checkout:index")
    if guest:
        at = client.post(start, {"username": guest, "options": "anonymous"}, follow=True)
    else:
        at = client.get(start, follow=True)
    assert at.status_code == 200
    done = client.post(reverse("checkout:preview"), {"action": "place_order"}, follow=True)
    assert done.redirect_chain == [(reverse("checkout:thank-you"), 302)], done.content.decode()[:2000]
    return get_model("order", "Order").objects.get(pk=client.session["checkout_order_id"])


def buy(client: Client, product: Any, quantity: int = 1, *, guest: str = "") -> Any:
    """Buy one product."""
    put_into_basket(client, product, quantity)
    return check_out(client, guest)


def place(*products: Any, user: Any = None, quantity: int = 1, **fields: Any) -> Any:
    """Place an order without a browser, as imports and telephone sales do: through OrderCreator, unpaid."""
    return place_lines([(product, quantity) for product in products], user=user, **fields)


def place_lines(lines: Sequence[tuple[Any, int]], *, user: Any = None, **fields: Any) -> Any:
    """Place such an order of products and quantities."""
    return factories.create_order(basket=filled_basket(lines, user), user=user, **fields)


def filled_basket(lines: Sequence[tuple[Any, int]], user: Any = None, options: Any = None) -> Any:
    """Fill a basket that no browser holds; `options` are the answers to what the products ask for."""
    basket = get_model("basket", "Basket").objects.create(owner=user)
    basket.strategy = get_class("partner.strategy", "Default")()
    for product, quantity in lines:
        basket.add_product(product, quantity, options)
    return basket


def pay(order: Any, amount: Any = None) -> Any:
    """Debit the order's total, or a part of it."""
    kind, _ = get_model("payment", "SourceType").objects.get_or_create(name="Card")
    amount = order.total_incl_tax if amount is None else Decimal(amount)
    source = order.sources.create(source_type=kind, amount_allocated=amount)
    source.debit(amount)
    return source


def refund(order: Any, amount: str, *places: tuple[Any, int], name: str = "Refund") -> Any:
    """Write a refund as Oscar's EventHandler does: an amount, and the places of lines that it is for."""
    kind, _ = get_model("order", "PaymentEventType").objects.get_or_create(name=name)
    lines, quantities = [line for line, _ in places], [quantity for _, quantity in places]
    return EventHandler().handle_payment_event(order, kind, Decimal(amount), lines, quantities)


def set_status(office: Client, order: Any, status: str) -> None:
    """Change the status on the order's page of the dashboard."""
    page = reverse("dashboard:order-detail", kwargs={"number": order.number})
    data = {"order_action": "change_order_status", "new_status": status}
    assert office.post(page, data).status_code == 302
    order.refresh_from_db()
    assert order.status == status
