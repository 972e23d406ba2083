"""The store's order source: the only file of this project that django-elevate-integration needs.

It says when an order may have changed, and what is true about it now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import router
from django.db.models import Prefetch, Q, QuerySet
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.urls import reverse

from elevate_integration.conf import remote_user_id
from elevate_integration.orders.amounts import shares
from elevate_integration.orders.references import keys_of_refs
from elevate_integration.orders.source import Learner, OrderSource, Seat, Snapshot, Watch
from elevate_integration.orders.source import Product as OfferedProduct
from example_project.members.models import Member
from example_project.store import services
from example_project.store.models import LineAttendee, Order, OrderLine, Payment, Product


class StoreOrderSource(OrderSource):
    """Reads the orders of `example_project.store`."""

    def watches(self) -> Iterable[Watch]:
        """Watch everything that can change who has a seat: orders, lines, named learners, payments."""
        for signal in (post_save, post_delete):
            yield Watch(signal, Order, ref_of_order)
            for part in (OrderLine, LineAttendee, Payment):
                yield Watch(signal, part, ref_of_part)

    def snapshot(self, order_ref: str) -> Snapshot | None:
        """Read one order."""
        return self.snapshots([order_ref])[order_ref]

    def snapshots(self, order_refs: Sequence[str]) -> dict[str, Snapshot | None]:
        """Read many orders with three queries."""
        people = LineAttendee.objects.select_related("member")
        lines = OrderLine.objects.prefetch_related(Prefetch("attendees", people))
        orders = _orders(order_refs).select_related("member").prefetch_related(Prefetch("lines", lines))
        found = {str(order.pk): _snapshot(order) for order in orders}
        return {ref: found.get(ref) for ref in order_refs}

    def recent(self, since: datetime | None) -> Iterator[str]:
        """Yield placed orders that changed since then."""
        orders = Order.objects.using(_alias()).exclude(placed_at=None).order_by("pk")
        if since is not None:
            orders = orders.filter(updated_at__gte=since)
        for pk in orders.values_list("pk", flat=True).iterator():
            yield str(pk)

    def placed_at(self, order_ref: str) -> datetime | None:
        """Tell when the member paid."""
        return _orders([order_ref]).values_list("placed_at", flat=True).first()

    def products(self, search: str = "", limit: int = 50) -> list[OfferedProduct]:
        """Offer what the store sells or has sold."""
        found = Product.objects.filter(Q(title__icontains=search) | Q(sku__icontains=search))
        return [
            OfferedProduct(key=p.sku, title=p.title, url=_absolute(p.get_absolute_url()), active=p.active)
            for p in found[:limit]
        ]

    def product_url(self, product_key: str) -> str:
        """Give the product's page, absolute, since it is typed into Elevate."""
        product = _product(product_key)
        return _absolute(product.get_absolute_url()) if product else ""

    def add_to_cart(self, request: HttpRequest, product_key: str) -> str:
        """Put the product in the member's cart; a visitor logs in first and is brought back, since he may have it."""
        product = _product(product_key)
        if product is None:
            return ""
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path()).url
        services.ensure_in_cart(request.user, product)
        return reverse("store:cart")

    def learner_for(self, user: Any) -> Learner | None:
        """Every log-in of this project is a member."""
        return learner_of(user) if getattr(user, "is_authenticated", False) else None

    def learner_by_email(self, email: str) -> Learner | None:
        """Find an active member by the e-mail address, which no two members share."""
        member = Member.objects.with_email(email)
        return learner_of(member) if member is not None else None

    def seats_of_line(self, line: OrderLine) -> tuple[str, tuple[str, ...]]:
        """Name the places of a line as `snapshot` does."""
        return str(line.order_id), tuple(f"line:{line.pk}:{n}" for n in range(1, line.quantity + 1))

    def order_url(self, order_ref: str) -> str:
        """Give the order's page in the office."""
        return reverse("admin:store_order_change", args=[order_ref])

    def member_url(self, remote_user_id: str) -> str:
        """Give the member's page in the office."""
        pk = Member.objects.filter(member_number=remote_user_id).values_list("pk", flat=True).first()
        return reverse("admin:members_member_change", args=[pk]) if pk is not None else ""


def ref_of_order(*, instance: Order, **kwargs: Any) -> str:
    """Name the order; a cart that was never placed cannot matter."""
    return "" if instance.placed_at is None else str(instance.pk)


def ref_of_part(*, instance: OrderLine | LineAttendee | Payment, **kwargs: Any) -> str:
    """Name the order of a line, a learner or a payment. Looks at the order itself only where it is loaded."""
    order = instance._state.fields_cache.get("order")
    return str(instance.order_id) if order is None else ref_of_order(instance=order)


def learner_of(member: Member) -> Learner:
    """Give a member as Elevate knows him: by what REMOTE_USER_ID names, here the member number."""
    return Learner(
        remote_user_id=remote_user_id(member),
        first_name=member.first_name,
        last_name=member.last_name,
        email=member.email,
    )


def _snapshot(order: Order) -> Snapshot:
    buyer = learner_of(order.member)
    seats = tuple(seat for line in order.lines.all() for seat in _seats(order, line, buyer))
    return Snapshot(order_ref=str(order.pk), buyer=buyer, seats=seats, placed_at=order.placed_at)


def _seats(order: Order, line: OrderLine, buyer: Learner) -> Iterator[Seat]:
    named = {person.position: _learner_named(person) for person in line.attendees.all()}
    active = order.status == Order.Status.PAID and line.refunded_at is None
    for number, amount in enumerate(shares(line.amount, line.quantity), start=1):
        yield Seat(
            key=f"line:{line.pk}:{number}",
            product_keys=(line.sku,),
            learner=named.get(number, buyer if number == 1 else None),
            active=active,
            amount_paid=amount,
            title=line.title,
        )


def _learner_named(person: LineAttendee) -> Learner:
    """A member is read from the member's own record; nobody else has an ID that Elevate would know."""
    if person.member is not None:
        return learner_of(person.member)
    return Learner("", first_name=person.first_name, last_name=person.last_name, email=person.email)


def _orders(order_refs: Sequence[str]) -> QuerySet[Order]:
    return Order.objects.using(_alias()).filter(pk__in=keys_of_refs(Order, order_refs))


def _alias() -> str:
    """Read where the store writes: a replica may not know the order yet."""
    return router.db_for_write(Order)


def _product(product_key: str) -> Product | None:
    return Product.objects.filter(sku=product_key, active=True).first()


def _absolute(path: str) -> str:
    return f"{settings.SITE_URL}{path}"
