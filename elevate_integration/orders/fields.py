"""An order source made from settings alone, for a shop of one's own: which model is the order, where its lines are, and
by which paths to reach everything else. Imports no model of ours. `docs/order-source.md` has the keys.

Every path is resolved against the models by `manage.py check`, so that a typo is an error at deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.db.models import Model, Q
from django.db.models.signals import post_delete, post_save
from django.urls import NoReverseMatch, reverse

from elevate_integration.conf import conf, in_host_zone
from elevate_integration.orders.accounts import AccountSource, learner_of
from elevate_integration.orders.amounts import shares
from elevate_integration.orders.description import PERSON, OrderFields, Paths, Person
from elevate_integration.orders.plan import Plan
from elevate_integration.orders.source import Learner, Product, Seat, Snapshot, Watch


class FieldOrderSource(AccountSource):
    """Reads the orders that `ELEVATE["ORDER_FIELDS"]` describes. References are the orders' primary keys as text."""

    def __init__(self) -> None:
        self.fields = OrderFields.read(conf().order_fields)

    def path_errors(self) -> list[str]:
        """Resolve every path; give a sentence for each that leads nowhere. Does not query."""
        return Plan(self.fields).errors

    @cached_property
    def plan(self) -> Plan:
        """The models and what to read with them. Raises ImproperlyConfigured when a path leads nowhere."""
        plan = Plan(self.fields)
        if plan.errors:
            raise ImproperlyConfigured(" ".join(plan.errors))
        return plan

    def watches(self) -> Iterable[Watch]:
        """Watch the orders, their lines, and what WATCH names."""
        for signal in (post_save, post_delete):
            yield Watch(signal, self.plan.order, _by_column("pk"))
            for model, column in self.plan.watched:
                yield Watch(signal, model, _by_column(column))

    def snapshot(self, order_ref: str) -> Snapshot | None:
        """Read one order."""
        return self.snapshots([order_ref])[order_ref]

    def snapshots(self, order_refs: Sequence[str]) -> dict[str, Snapshot | None]:
        """Read many orders with two queries: the orders, and their lines."""
        found = {str(order.pk): self._snapshot(order) for order in self.plan.rows(order_refs)}
        return {ref: found.get(ref) for ref in order_refs}

    def recent(self, since: datetime | None) -> Iterator[str]:
        """Yield the orders that changed since then by one of CHANGED_AT."""
        orders = self.plan.orders().order_by("pk")
        if since is not None:
            changed = Q()
            for path in self.fields.changed_at:
                changed |= Q(**{f"{path.replace('.', '__')}__gte": self.plan.comparable(path, since)})
            orders = orders.filter(pk__in=self.plan.orders().filter(changed).values("pk"))
        for pk in orders.values_list("pk", flat=True).iterator(chunk_size=1000):
            yield str(pk)

    def placed_at(self, order_ref: str) -> datetime | None:
        """Tell when the order was placed; a date counts from its midnight."""
        for order in self.plan.rows([order_ref]):
            found = _first(order, self.fields.placed_at)
            if isinstance(found, date) and not isinstance(found, datetime):
                return in_host_zone(datetime.combine(found, time.min))
            return found if isinstance(found, datetime) else None
        return None

    def order_url(self, order_ref: str) -> str:
        """Give the order's page in Django's admin, if it has one."""
        meta = self.plan.order._meta
        try:
            return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[order_ref])
        except NoReverseMatch:
            return ""

    def products(self, search: str = "", limit: int = 50) -> Iterable[Product]:
        """Offer what was sold: the most specific key of the lines that are last in the table."""
        rows = self.plan.line_rows().order_by("-pk")[:1000]
        offered: dict[str, Product] = {}
        for line in rows:
            keys = self._keys_of(line)
            title = _text(_first(line, self.fields.title))
            if keys and search.casefold() in f"{keys[0]} {title}".casefold():
                offered.setdefault(keys[0], Product(keys[0], title or keys[0]))
        return list(offered.values())[:limit]

    def _snapshot(self, order: Any) -> Snapshot:
        buyer = _person(order, self.fields.buyer)
        paid = self._is_paid(order)
        lines = self.plan.lines_of(order)
        return Snapshot(
            str(order.pk),
            buyer,
            tuple(seat for line in lines for seat in self._seats(line, buyer, paid=paid)),
        )

    def _is_paid(self, order: Any) -> bool:
        own = self.fields
        status = _value(order, own.status) if own.status else None
        paid = status in own.paid if own.paid else bool(_value(order, own.paid_at))
        return paid and not _dead(order, status, own.dead, own.dead_if)

    def _seats(self, line: Any, buyer: Learner | None, *, paid: bool) -> Iterator[Seat]:
        own = self.fields
        status = _value(line, own.line_status) if own.line_status else None
        active = paid and not _dead(line, status, own.line_dead, own.line_dead_if)
        named = _person(line, own.learner)
        title = _text(_first(line, own.title))
        for number, amount in enumerate(self._amounts(line), start=1):
            yield Seat(
                key=f"line:{line.pk}:{number}",
                product_keys=self._keys_of(line),
                learner=(named or buyer) if number == 1 else None,
                active=active,
                amount_paid=amount,
                title=title,
            )

    def _amounts(self, line: Any) -> list[Any]:
        quantity = _value(line, self.fields.quantity) if self.fields.quantity else 1
        pieces = max(int(quantity or 0), 0)
        if self.fields.unit_amount:
            return [_value(line, self.fields.unit_amount)] * pieces
        whole = _value(line, self.fields.amount) if self.fields.amount else Decimal(0)
        # What is no amount is shown as it is: it cannot be sent, and staff are told.
        return shares(Decimal(whole), pieces) if isinstance(whole, Decimal | int) else [whole] * pieces

    def _keys_of(self, line: Any) -> tuple[str, ...]:
        texts = (_text(_value(line, path)) for path in self.fields.product_keys)
        return tuple(dict.fromkeys(text for text in texts if text))


def _dead(row: Any, status: Any, dead: tuple[Any, ...], dead_if: Paths) -> bool:
    return status in dead or any(_value(row, path) for path in dead_if)


def _person(row: Any, paths: Person) -> Learner | None:
    """Read a person: what the row itself holds comes first, and the account fills the gaps."""
    texts = {name.lower(): _text(_first(row, paths.get(name, ()))) for name in PERSON if name != "USER"}
    return learner_of(_first(row, paths.get("USER", ())), Learner(**texts))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _first(row: Any, paths: Paths) -> Any:
    found = (_value(row, path) for path in paths)
    return next((value for value in found if value not in (None, "")), None)


def _value(row: Any, path: str) -> Any:
    """Follow a path; None where a relation on the way is empty."""
    for name in path.split("."):
        try:
            row = getattr(row, name)
        except ObjectDoesNotExist:
            return None
        if row is None:
            return None
    return row() if callable(row) and not isinstance(row, Model) else row


def _by_column(column: str) -> Callable[..., str]:
    """Name the order by a column of the changed row itself: no query, and nothing of the order is read."""

    def order_ref(*, instance: Any, **kwargs: Any) -> str:
        return _text(getattr(instance, column))

    return order_ref
