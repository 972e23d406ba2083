"""A ready order source for django-oscar. Tested with 4.2.

Oscar has no word of its own for *paid*, *cancelled* or *refunded*: statuses are the shop's own text, money is in
`payment.Source`, and refunds of single places are payment events. `docs/oscar.md` says what counts as what. Oscar's
models are looked up by label when they are needed, so that forked apps are found.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.db.models import Prefetch, Q, QuerySet
from django.db.models.signals import post_delete, post_save
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from elevate_integration.conf import conf
from elevate_integration.orders.accounts import AccountSource, learner_of, users_by_email
from elevate_integration.orders.amounts import shares
from elevate_integration.orders.references import keys_of_refs
from elevate_integration.orders.source import Learner, Product, Seat, Snapshot, SoldOutError, Watch

_ATTENDEE = ("first_name", "last_name", "email")


@dataclass(frozen=True)
class OscarOptions:
    """What `ELEVATE["OSCAR"]` may hold; its keys are these names in capitals. Case does not matter in the names.

    paid_statuses: order statuses in which an order counts as paid whatever its payments say.
    dead_statuses: order and line statuses in which nothing counts as paid.
    refund_events: names of the payment event types that are refunds.
    attendee: codes of the product options that hold an attendee's `first_name`, `last_name` and `email`.
    look_back_days: how many days after it was placed each sweep reads an order again.
    site_url: put before the paths of product pages, for example `https://shop.example.org`.
    """

    paid_statuses: frozenset[str] = frozenset()
    dead_statuses: frozenset[str] = frozenset({"Cancelled", "Canceled", "Refunded"})
    refund_events: frozenset[str] = frozenset({"Refund", "Refunded"})
    attendee: Mapping[str, str] = field(default_factory=dict)
    look_back_days: int = 7
    site_url: str = ""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> OscarOptions:
        """Read the dict. Raises ImproperlyConfigured for an unknown key or a value of the wrong kind."""
        known = {f.name.upper(): f.name for f in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in raw.items():
            if key not in known:
                near = difflib.get_close_matches(str(key).upper(), known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else f" The keys are: {', '.join(known)}."
                raise ImproperlyConfigured(f"ELEVATE['OSCAR'] has an unknown key {key!r}.{hint}")
            values[known[key]] = _convert(key, value)
        return cls(**values)


def _convert(key: str, value: Any) -> Any:
    wrong = ImproperlyConfigured(f"ELEVATE['OSCAR'][{key!r}] cannot be used: {_KINDS[key]} is needed.")
    if key == "LOOK_BACK_DAYS":
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise wrong
        return value
    if key == "SITE_URL":
        if not isinstance(value, str):
            raise wrong
        return value.strip().rstrip("/")
    if key == "ATTENDEE":
        if not isinstance(value, Mapping) or not set(value) <= set(_ATTENDEE):
            raise wrong
        return {name: str(code) for name, code in value.items()}
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise wrong
    return frozenset(str(one) for one in value)


_KINDS = {
    "PAID_STATUSES": "a list of names",
    "DEAD_STATUSES": "a list of names",
    "REFUND_EVENTS": "a list of names",
    "ATTENDEE": f"a dict with some of the keys {', '.join(_ATTENDEE)}",
    "LOOK_BACK_DAYS": "a whole number",
    "SITE_URL": "text",
}


class OscarSource(AccountSource):
    """Reads Oscar's orders. Derive from it where a shop keeps its truth elsewhere.

    `is_paid()`, `refunded_of()`, `buyer_of()`, `guest_id()` and `keys_of()` are meant to be overridden.
    """

    def __init__(self) -> None:
        self.options = OscarOptions.read(conf().oscar or {})
        self._paid = _folded(self.options.paid_statuses)
        self._dead = _folded(self.options.dead_statuses)
        self._refund_events = _folded(self.options.refund_events)

    def watches(self) -> Iterable[Watch]:
        """Watch the rows that can change a seat, and Oscar's own signals, whose senders are instances or views."""
        from oscar.apps.checkout.signals import post_checkout
        from oscar.apps.order.signals import order_line_status_changed, order_placed, order_status_changed

        for signal in (post_save, post_delete):
            yield Watch(signal, "order.Order", _ref_of_order)
            for part in ("order.Line", "order.PaymentEvent", "payment.Source"):
                yield Watch(signal, part, _ref_of_part)
            yield Watch(signal, "order.PaymentEventQuantity", _ref_through("event"))
            yield Watch(signal, "order.LineAttribute", _ref_through("line"))
            yield Watch(signal, "payment.Transaction", _ref_through("source"))
        for signal in (order_placed, order_status_changed, post_checkout):
            yield Watch(signal, None, lambda *, order, **_: str(order.pk))
        yield Watch(order_line_status_changed, None, lambda *, line, **_: str(line.order_id))

    def problems(self) -> Iterable[str]:
        """Name statuses that the shop does not have, and those that would take a paid order's seats away."""
        order, line = _model("order", "Order"), _model("order", "Line")
        steps = {str(status): [str(s) for s in after] for status, after in (order.pipeline or {}).items()}
        if not steps:
            return
        of_orders = _named(order.pipeline)
        yield from _unknown("PAID_STATUSES", self.options.paid_statuses, of_orders)
        dead = self.options.dead_statuses - OscarOptions.dead_statuses
        yield from _unknown("DEAD_STATUSES", dead, of_orders | _named(line.pipeline))
        for status, after in steps.items():
            if status.strip().casefold() not in self._paid:
                continue
            for following in after:
                if following.strip().casefold() not in self._paid | self._dead:
                    yield (
                        f"{following!r} can follow the paid status {status!r} and is in neither PAID_STATUSES nor "
                        "DEAD_STATUSES of ELEVATE['OSCAR']: an order without payments would lose its seats there."
                    )

    def snapshot(self, order_ref: str) -> Snapshot | None:
        """Read one order."""
        return self.snapshots([order_ref])[order_ref]

    def snapshots(self, order_refs: Sequence[str]) -> dict[str, Snapshot | None]:
        """Read many orders with six queries, eight where attendees are named."""
        orders = list(self._prefetched(_orders(order_refs)))
        lines = [line for order in orders for line in order.lines.all()]
        parents = _parents({line.product_id for line in lines} - {None})
        attendees = _Attendees.of(lines, self.options.attendee)
        found = {str(order.pk): self._snapshot(order, parents, attendees) for order in orders}
        return {ref: found.get(ref) for ref in order_refs}

    def recent(self, since: datetime | None) -> Iterator[str]:
        """Yield orders placed, paid or moved on since then, and all of the last days.

        Oscar has no column that says when an order changed: `update()` leaves no trace but in the order itself.
        """
        orders = _model("order", "Order")._base_manager.using(_alias()).order_by("pk")
        if since is not None:
            placed = min(since, timezone.now() - timedelta(days=self.options.look_back_days))
            changed = Q(date_placed__gte=placed)
            for app, name, path in _TRACES:
                trace = _model(app, name)._base_manager.using(_alias()).filter(date_created__gte=since)
                changed |= Q(pk__in=trace.values(path))
            orders = orders.filter(changed)
        for pk in orders.values_list("pk", flat=True).iterator(chunk_size=500):
            yield str(pk)

    def placed_at(self, order_ref: str) -> datetime | None:
        """Tell when the order was placed."""
        placed: datetime | None = _orders([order_ref]).values_list("date_placed", flat=True).first()
        return placed

    def products(self, search: str = "", limit: int = 50) -> list[Product]:
        """Offer what the shop sells: single products, variants, and the parents that stand for all their variants."""
        rows = _model("catalogue", "Product")._default_manager.select_related("parent")
        rows = rows.prefetch_related("stockrecords").order_by("parent__title", "title", "pk")
        for word in search.split():
            holds = Q(pk=int(word)) if word.isascii() and word.isdecimal() and len(word) < 10 else Q()
            for path in ("title", "parent__title", "upc"):
                holds |= Q(**{f"{path}__icontains": word})
            skus = _model("partner", "StockRecord")._default_manager.filter(partner_sku__icontains=word)
            rows = rows.filter(holds | Q(pk__in=skus.values("product_id")))
        found = list(rows[:limit])
        sold_as = _products_by_sku({r.partner_sku for p in found for r in p.stockrecords.all()})
        return [
            Product(_picked_key(p, sold_as), _title(p), url=self._page(p), active=_is_public(p))
            for p in found
        ]

    def product_url(self, product_key: str) -> str:
        """Give the product's page, for a variant that of its parent."""
        product = self._sold_as(product_key)
        return self._page(product) if product is not None else ""

    def add_to_cart(self, request: Any, product_key: str) -> str:
        """Put the product in the visitor's basket by Oscar's own form, unless it is there already.

        A product whose page asks for something, a variant or an option, is not put there: its page is given. Raises
        SoldOutError with Oscar's words for what cannot be bought.
        """
        from oscar.apps.basket.signals import basket_addition
        from oscar.core.loading import get_class

        product, basket = self._sold_as(product_key), getattr(request, "basket", None)
        if product is None or basket is None or product.is_parent:
            return "" if product is None else self._page(product)
        if basket.pk and basket.all_lines().filter(product=product).exists():
            return reverse("basket:summary")
        availability = basket.get_stock_info(product, []).availability
        if not availability.is_available_to_buy:
            raise SoldOutError(str(availability.message))
        form = get_class("basket.forms", "AddToBasketForm")(basket, product, {"quantity": 1})
        if not form.is_valid():
            return self._page(product)
        basket.add_product(product, form.cleaned_data["quantity"], form.cleaned_options())
        basket_addition.send(sender=type(self), product=product, user=request.user, request=request)
        return reverse("basket:summary")

    def _sold_as(self, product_key: str) -> Any:
        """Give the product that visitors may see under a key, or None."""
        kind, _, name = product_key.partition(":")
        rows = _model("catalogue", "Product")._default_manager.select_related("parent")
        if kind == "product" and name.isascii() and name.isdecimal() and len(name) <= 18:
            rows = rows.filter(pk=name)
        elif kind == "upc" and name:
            rows = rows.filter(upc=name)
        elif kind == "sku" and name:
            rows = rows.filter(stockrecords__partner_sku=name).order_by("pk")
        else:
            return None
        product = rows.first()
        return product if product is not None and _is_public(product) else None

    def seats_of_line(self, line: Any) -> tuple[str, tuple[str, ...]]:
        """Name the places of an order line."""
        return str(line.order_id), tuple(f"line:{line.pk}:{n}" for n in range(1, line.quantity + 1))

    def order_url(self, order_ref: str) -> str:
        """Give the order's page in Oscar's dashboard; `""` where the site has none."""
        number = _orders([order_ref]).values_list("number", flat=True).first()
        try:
            return reverse("dashboard:order-detail", kwargs={"number": number}) if number else ""
        except NoReverseMatch:
            return ""

    def is_paid(self, order: Any) -> bool:
        """Whether the order is paid, and its money not all given back. Reads only what `snapshots()` fetched."""
        if order.status.strip().casefold() in self._dead:
            return False
        debited = sum((source.amount_debited for source in order.sources.all()), Decimal(0))
        by_status = order.status.strip().casefold() in self._paid
        # Of a free order nothing is owed, and no payment ever tells of it.
        if not (by_status or debited >= order.total_incl_tax):
            return False
        by_source = sum((source.amount_refunded for source in order.sources.all()), Decimal(0))
        by_event = sum((event.amount for event in self._refunds(order)), Decimal(0))
        # A shop writes down one refund in either place or in both: the larger of the two is what went back.
        taken = debited or order.total_incl_tax
        return not 0 < taken <= max(by_source, by_event)

    def refunded_of(self, order: Any) -> Mapping[Any, int]:
        """Give how many places of each line (by its pk) were refunded."""
        refunded: dict[Any, int] = defaultdict(int)
        for event in self._refunds(order):
            for part in event.line_quantities.all():
                refunded[part.line_id] += part.quantity
        return refunded

    def buyer_of(self, order: Any) -> Learner | None:
        """Give the buyer: the account, else the guest. The address lends its name where there is no other."""
        address = order.billing_address or order.shipping_address
        first, last = (_text(address, name) for name in ("first_name", "last_name"))
        if order.user is not None:
            known = learner_of(order.user) or Learner("")
            named = known.first_name or known.last_name
            return known if named else Learner(known.remote_user_id, first, last, known.email)
        if not order.guest_email:
            # The account was deleted; an address alone is nobody's place in a course.
            return None
        return Learner(self.guest_id(order), first, last, order.guest_email)

    def guest_id(self, order: Any) -> str:
        """Give the ID under which Elevate would know a guest. Oscar has none, so a guest's registration is held."""
        return ""

    def keys_of(self, line: Any, parent: tuple[Any, str] | None) -> tuple[str, ...]:
        """Name the product of an order line, then its parent (pk and UPC). UPC and SKU outlive a deleted product."""
        names = [("upc", line.upc), ("sku", line.partner_sku), ("product", line.product_id)]
        if parent is not None:
            names += [("upc", parent[1]), ("product", parent[0])]
        return tuple(f"{kind}:{name}" for kind, name in names if name)

    def _refunds(self, order: Any) -> list[Any]:
        events = order.payment_events.all()
        return [e for e in events if e.event_type.name.strip().casefold() in self._refund_events]

    def _prefetched(self, orders: QuerySet[Any]) -> QuerySet[Any]:
        events = _model("order", "PaymentEvent")._base_manager.select_related("event_type")
        lines = _model("order", "Line")._base_manager.order_by("pk")
        return orders.select_related("user", "billing_address", "shipping_address").prefetch_related(
            Prefetch("lines", lines),
            "sources",
            Prefetch("payment_events", events.prefetch_related("line_quantities")),
        )

    def _snapshot(
        self, order: Any, parents: Mapping[Any, tuple[Any, str]], attendees: _Attendees
    ) -> Snapshot:
        buyer, paid, refunded = self.buyer_of(order), self.is_paid(order), self.refunded_of(order)
        seats: list[Seat] = []
        for line in order.lines.all():
            left = line.quantity - refunded.get(line.pk, 0)
            if line.status.strip().casefold() in self._dead:
                left = 0
            seats += [
                Seat(
                    key=f"line:{line.pk}:{number}",
                    product_keys=self.keys_of(line, parents.get(line.product_id)),
                    learner=attendees.learner(line, buyer) if number == 1 else None,
                    active=paid and number <= left,
                    amount_paid=amount,
                    title=line.title,
                )
                for number, amount in enumerate(shares(line.line_price_incl_tax, line.quantity), start=1)
            ]
        return Snapshot(str(order.pk), buyer, tuple(seats))

    def _page(self, product: Any) -> str:
        # Oscar sends a visitor of a variant's page to the parent's.
        shown = product.parent if product.parent_id else product
        return f"{self.options.site_url}{shown.get_absolute_url()}"


# What has a date of its own beside the order: model, and the path to the order's key.
_TRACES = (
    ("order", "OrderStatusChange", "order_id"),
    ("order", "PaymentEvent", "order_id"),
    ("payment", "Transaction", "source__order_id"),
)


@dataclass(frozen=True)
class _Attendees:
    """What the options of order lines say about attendees, and the accounts with their addresses."""

    texts: Mapping[Any, Mapping[str, str]]
    users: Mapping[str, Any]

    @classmethod
    def of(cls, lines: Sequence[Any], codes: Mapping[str, str]) -> _Attendees:
        """Read the options that `codes` names. An account counts only when the address is its alone."""
        texts: dict[Any, dict[str, str]] = defaultdict(dict)
        if not codes or not lines:
            return cls(texts, {})
        by_code = {code: name for name, code in codes.items()}
        rows = _model("order", "LineAttribute")._base_manager.using(_alias())
        rows = rows.filter(line__in=[line.pk for line in lines], type__in=by_code)
        for pk, code, value in rows.order_by("pk").values_list("line_id", "type", "value"):
            text = "" if value is None else str(value).strip()
            if text:
                texts[pk][by_code[code]] = text
        emails = {text["email"] for text in texts.values() if "email" in text}
        # Whose account is deactivated later keeps the place.
        return cls(texts, users_by_email(emails, inactive=True))

    def learner(self, line: Any, buyer: Learner | None) -> Learner | None:
        """Give the attendee of a line, or the buyer where nobody is named."""
        named = self.texts.get(line.pk)
        if not named:
            return buyer
        email = named.get("email", "")
        if buyer is not None and email and email.casefold() == buyer.email.casefold():
            return buyer
        user = self.users.get(email)
        if user is not None:
            # The account's own record: what a buyer types must not rename somebody else at Elevate.
            return learner_of(user)
        return Learner("", named.get("first_name", ""), named.get("last_name", ""), email)


def _ref_of_order(*, instance: Any, **kwargs: Any) -> str:
    return str(instance.pk)


def _ref_of_part(*, instance: Any, **kwargs: Any) -> str:
    return str(instance.order_id)


def _ref_through(name: str) -> Callable[..., str]:
    """Name the order through a related row, where that is loaded: a receiver must not query."""

    def ref(*, instance: Any, **kwargs: Any) -> str:
        between = instance._state.fields_cache.get(name)
        return "" if between is None else str(between.order_id)

    return ref


def _model(app: str, name: str) -> Any:
    return apps.get_model(app, name)


def _alias() -> str:
    """Read where the shop writes: a replica may not know the order yet."""
    return router.db_for_write(_model("order", "Order"))


def _orders(order_refs: Sequence[str]) -> QuerySet[Any]:
    order = _model("order", "Order")
    found: QuerySet[Any] = order._base_manager.using(_alias()).filter(pk__in=keys_of_refs(order, order_refs))
    return found


def _parents(product_ids: Collection[Any]) -> dict[Any, tuple[Any, str]]:
    """Give the parent's key and UPC of each product that is a variant."""
    rows = _model("catalogue", "Product")._base_manager.using(_alias())
    rows = rows.filter(pk__in=product_ids, parent__isnull=False)
    return {pk: (parent, upc or "") for pk, parent, upc in rows.values_list("pk", "parent_id", "parent__upc")}


def _products_by_sku(skus: Collection[str]) -> dict[str, set[Any]]:
    rows = _model("partner", "StockRecord")._default_manager.filter(partner_sku__in=skus)
    found: dict[str, set[Any]] = defaultdict(set)
    for sku, product in rows.values_list("partner_sku", "product_id"):
        found[sku].add(product)
    return found


def _picked_key(product: Any, sold_as: Mapping[str, set[Any]]) -> str:
    """Choose the key that outlives the product; a SKU only where it is the product's alone and its only one."""
    skus = {record.partner_sku for record in product.stockrecords.all()}
    if product.upc:
        return f"upc:{product.upc}"
    sku = skus.pop() if len(skus) == 1 else ""
    return f"sku:{sku}" if sku and len(sold_as[sku]) == 1 else f"product:{product.pk}"


def _title(product: Any) -> str:
    if not product.parent_id:
        return str(product.title)
    own = product.title or product.upc or f"#{product.pk}"
    return f"{product.parent.title}: {own}"


def _is_public(product: Any) -> bool:
    return bool(product.is_public and (product.parent.is_public if product.parent_id else True))


def _text(row: Any, name: str) -> str:
    return str(getattr(row, name, "") or "")


def _named(pipeline: Mapping[Any, Iterable[Any]] | None) -> set[str]:
    """Give every status that a pipeline mentions."""
    given = pipeline or {}
    return {str(status) for status in given} | {str(s) for after in given.values() for s in after}


def _unknown(setting: str, names: Collection[str], known: Collection[str]) -> Iterator[str]:
    """Name the statuses of an option that the shop does not have."""
    for name in sorted(names):
        if name.strip().casefold() not in _folded(known):
            text = f"ELEVATE['OSCAR'][{setting!r}] names {name!r}, a status that no pipeline of the shop has"
            yield f"{text}: {', '.join(sorted(known))}."


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in names)
