"""What the store does: fill a cart, take the money, name learners, give the money back. Views, admin and demo call it.

Each function is one transaction that locks the order first. None of them knows of Elevate.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction
from django.utils import timezone

from example_project.members.models import Member
from example_project.store.models import MOST_SEATS, LineAttendee, Order, OrderLine, Payment, Product

GROUP_FROM = 5
GROUP_RATE = Decimal("0.90")
CENT = Decimal("0.01")


class StoreError(Exception):
    """The store cannot do this; the text is for the person who asked."""


class CardDeclinedError(StoreError):
    """The bank said no. Nothing of the order was kept; the cart is as it was."""


def cart_of(member: Member) -> Order | None:
    """Give the member's cart, or None while it is empty."""
    return Order.objects.filter(member=member, status=Order.Status.OPEN).first()


@transaction.atomic
def add_to_cart(member: Member, product: Product, quantity: int = 1) -> Order:
    """Put a product in the member's cart, made on first use. More of the same makes the line longer."""
    if not product.active:
        raise StoreError(f"“{product.title}” is no longer sold.")
    # Locked, so that two clicks at once do not make two carts.
    Member.objects.select_for_update().get(pk=member.pk)
    cart = cart_of(member) or Order.objects.create(member=member)
    line = cart.lines.filter(product=product).first() or OrderLine(order=cart, product=product, quantity=0)
    line.sku, line.title, line.price, line.has_seats = (
        product.sku,
        product.title,
        product.price,
        product.has_seats,
    )
    _set_quantity(line, line.quantity + quantity)
    _add_up(cart)
    return cart


def ensure_in_cart(member: Member, product: Product) -> Order:
    """Put a product in the cart unless it is there: following the same link twice buys it once."""
    cart = cart_of(member)
    if cart is not None and cart.lines.filter(product=product).exists():
        return cart
    return add_to_cart(member, product)


@transaction.atomic
def change_quantity(line: OrderLine, quantity: int) -> Order:
    """Change how many of a product are in the cart; 0 takes it out."""
    cart = _locked(line.order_id)
    if cart.status != Order.Status.OPEN:
        raise StoreError("This order has been placed and can no longer be changed.")
    line = cart.lines.get(pk=line.pk)
    if quantity < 1:
        line.delete()
    else:
        line.attendees.filter(position__gt=quantity).delete()
        _set_quantity(line, quantity)
    _add_up(cart)
    return cart


@transaction.atomic
def checkout(order: Order, *, card_ok: bool = True) -> Order:
    """Place the order and take the money, all or nothing.

    Raises CardDeclinedError when the bank says no (`card_ok` is False), and StoreError when the cart is empty or the
    order was placed before.
    """
    placed = _locked(order.pk)
    if placed.status != Order.Status.OPEN:
        raise StoreError("This order has been placed already.")
    if not placed.lines.exists():
        raise StoreError("The cart is empty.")
    placed.status, placed.placed_at = Order.Status.PAID, timezone.now()
    placed.save()
    if placed.total:
        if not card_ok:
            raise CardDeclinedError("Your bank declined the card. Nothing was charged.")
        Payment.objects.create(order=placed, amount=placed.total)
    order.refresh_from_db()
    return placed


@transaction.atomic
def name_seat(
    line: OrderLine, position: int, *, first_name: str = "", last_name: str = "", email: str = ""
) -> LineAttendee | None:
    """Name the person for one place of a line, the first being 1; without an e-mail address take the name away."""
    order = _locked(line.order_id)
    line = order.lines.get(pk=line.pk)
    if not 1 <= position <= line.quantity:
        raise StoreError(f"This line has no place {position}.")
    person = line.attendees.filter(position=position).first()
    if not email:
        if person is not None:
            person.delete()
            order.save(update_fields=["updated_at"])
        return None
    wanted = (first_name.strip(), last_name.strip(), email.strip().lower())
    if person is not None and wanted == (person.first_name, person.last_name, person.email):
        return person
    person = person or LineAttendee(line=line, position=position)
    person.first_name, person.last_name, person.email = wanted
    person.save()
    order.save(update_fields=["updated_at"])
    return person


@transaction.atomic
def refund(order: Order, lines: Iterable[OrderLine] | None = None) -> Decimal:
    """Give the money for these lines back, for all lines when None, and say how much it was.

    Lines refunded before are passed over. Raises StoreError when the order is not paid.
    """
    found = _locked(order.pk)
    if found.status != Order.Status.PAID:
        raise StoreError(f"Order {found.pk} is not paid, so there is nothing to refund.")
    left = list(found.lines.filter(refunded_at=None))
    chosen = {line.pk for line in left} if lines is None else {line.pk for line in lines}
    amount = Decimal("0.00")
    for line in left:
        if line.pk in chosen:
            line.amount_refunded, line.refunded_at = line.amount, timezone.now()
            line.save()
            amount += line.amount
    if chosen >= {line.pk for line in left}:
        found.status = Order.Status.REFUNDED
    found.save()
    if amount:
        Payment.objects.create(order=found, amount=-amount)
    order.refresh_from_db()
    return amount


@transaction.atomic
def cancel(order: Order) -> None:
    """Cancel a paid order without giving money back. Raises StoreError when it is not paid."""
    found = _locked(order.pk)
    if found.status != Order.Status.PAID:
        raise StoreError(f"Order {found.pk} is not paid, so there is nothing to cancel.")
    found.status = Order.Status.CANCELLED
    found.save()
    order.refresh_from_db()


def line_amount(price: Decimal, quantity: int) -> Decimal:
    """Work out what a line costs: from five places on the group rate takes a tenth off."""
    rate = GROUP_RATE if quantity >= GROUP_FROM else Decimal(1)
    return (price * quantity * rate).quantize(CENT, ROUND_HALF_UP)


def _locked(order_pk: int) -> Order:
    return Order.objects.select_for_update().get(pk=order_pk)


def _set_quantity(line: OrderLine, quantity: int) -> None:
    line.quantity = min(max(quantity, 1), MOST_SEATS)
    line.amount = line_amount(line.price, line.quantity)
    line.save()


def _add_up(order: Order) -> None:
    order.total = sum((line.amount for line in order.lines.all()), Decimal("0.00"))
    order.save()
