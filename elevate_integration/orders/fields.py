"""An order source made from settings alone, for a shop of one's own: which model is the order, where its lines are, and
by which paths to reach everything else. Imports no model of ours. `docs/order-source.md` has the keys.

Every path is resolved against the models by `manage.py check`, so that a typo is an error at deployment.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.apps import apps
from django.core.exceptions import (
    FieldDoesNotExist,
    ImproperlyConfigured,
    ObjectDoesNotExist,
)
from django.db import router
from django.db.models import Model, Prefetch, Q, QuerySet
from django.db.models.signals import post_delete, post_save
from django.urls import NoReverseMatch, reverse

from elevate_integration.conf import conf, in_host_zone
from elevate_integration.orders.accounts import AccountSource, learner_of
from elevate_integration.orders.amounts import shares
from elevate_integration.orders.references import keys_of_refs
from elevate_integration.orders.source import Learner, Product, Seat, Snapshot, Watch

_PERSON = ("USER", "REMOTE_USER_ID", "FIRST_NAME", "LAST_NAME", "EMAIL")

Paths = tuple[str, ...]
Person = Mapping[str, Paths]


@dataclass(frozen=True)
class OrderFields:
    """What `ELEVATE["ORDER_FIELDS"]` may hold; its keys are these names in capitals.

    A path is dotted, `order.buyer.email`; where several are allowed, the first that holds something counts.

    order: the order's model, `"shop.Order"`.
    placed_at: paths from the order to the time it was placed or paid.
    changed_at: paths from the order to times of changes, also of its lines: `["updated_at", "lines.updated_at"]`.
    product_keys: paths from the line to the product's keys, the most specific first; all that hold something count.
    lines: the name by which the order reaches its lines; left out where an order is one place.
    status: path from the order to its status. paid: the values that mean *paid*; left out, `paid_at` decides.
    dead: values of the status that mean *refunded* or *cancelled*.
    paid_at: path from the order to what is filled once it is paid.
    dead_if: paths from the order of which one that is filled or true means *refunded* or *cancelled*.
    line_status, line_dead, line_dead_if: the same from the line.
    quantity: path from the line to its number of places; left out, a line is one place.
    amount: path from the line to what was paid for all its places. unit_amount: for one of them.
    title: paths from the line to what the product is called.
    buyer: paths from the order to who pays; learner: paths from the line to who takes part. Both are dicts with USER (a
        user of the site), REMOTE_USER_ID, FIRST_NAME, LAST_NAME and EMAIL. Without a learner the buyer has the first
        place of a line and the others wait for names.
    watch: further models whose changes matter, each with its foreign key to the order: `{"shop.Payment": "order"}`.
    """

    order: str
    placed_at: Paths
    changed_at: Paths
    product_keys: Paths
    lines: str = ""
    status: str = ""
    paid: tuple[Any, ...] = ()
    dead: tuple[Any, ...] = ()
    paid_at: str = ""
    dead_if: Paths = ()
    line_status: str = ""
    line_dead: tuple[Any, ...] = ()
    line_dead_if: Paths = ()
    quantity: str = ""
    amount: str = ""
    unit_amount: str = ""
    title: Paths = ()
    buyer: Person = field(default_factory=dict)
    learner: Person = field(default_factory=dict)
    watch: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> OrderFields:
        """Read the dict. Raises ImproperlyConfigured for a key that is unknown or missing and a value of a wrong kind."""
        known = {f.name.upper(): f for f in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in (raw or {}).items():
            if key not in known:
                raise _wrong(f"has an unknown key {key!r}.{_nearest(str(key).upper(), known)}")
            values[known[key].name] = _convert(key, str(known[key].type), value)
        for key, one in known.items():
            required = one.default is MISSING and one.default_factory is MISSING
            if required and not values.get(one.name):
                raise _wrong(f"needs the key {key!r}; `docs/order-source.md` says what it holds.")
        found = cls(**values)
        if not found.paid and not found.paid_at:
            raise _wrong("needs 'PAID' with 'STATUS', or 'PAID_AT': nothing says when an order is paid.")
        for values_key, path_key in (("paid", "status"), ("dead", "status"), ("line_dead", "line_status")):
            if getattr(found, values_key) and not getattr(found, path_key):
                raise _wrong(f"has {values_key.upper()!r} and no {path_key.upper()!r} whose values they are.")
        return found


def _wrong(text: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"ELEVATE['ORDER_FIELDS'] {text}")


def _convert(key: str, kind: str, value: Any) -> Any:
    if kind == "str":
        if isinstance(value, str):
            return value
        raise _wrong(f"has {key!r} that is no text.")
    if kind == "Paths":
        return _paths(key, value)
    if kind == "Person":
        if not isinstance(value, Mapping):
            raise _wrong(f"has {key!r} that is no dict; its keys are {', '.join(_PERSON)}.")
        for part in value:
            if part not in _PERSON:
                raise _wrong(f"has an unknown key {part!r} in {key!r}.{_nearest(str(part).upper(), _PERSON)}")
        return {part: _paths(f"{key}.{part}", paths) for part, paths in value.items()}
    if kind.startswith("Mapping"):
        if isinstance(value, Mapping) and all(isinstance(text, str) for text in [*value, *value.values()]):
            return value
        raise _wrong(f'has {key!r} that is no dict such as {{"shop.Payment": "order"}}.')
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise _wrong(f"has {key!r} that is no list of values.")
    return tuple(value)


def _paths(key: str, value: Any) -> Paths:
    paths = (value,) if isinstance(value, str) else value
    if isinstance(paths, list | tuple) and all(isinstance(path, str) and path for path in paths):
        return tuple(paths)
    raise _wrong(f"has {key!r} that is neither a path nor a list of paths.")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(names)}."


class FieldOrderSource(AccountSource):
    """Reads the orders that `ELEVATE["ORDER_FIELDS"]` describes. References are the orders' primary keys as text."""

    def __init__(self) -> None:
        self.fields = OrderFields.read(conf().order_fields)

    def path_errors(self) -> list[str]:
        """Resolve every path; give a sentence for each that leads nowhere. Does not query."""
        return _Plan(self.fields).errors

    @cached_property
    def plan(self) -> _Plan:
        """The models and what to read with them. Raises ImproperlyConfigured when a path leads nowhere."""
        plan = _Plan(self.fields)
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
    texts = {name.lower(): _text(_first(row, paths.get(name, ()))) for name in _PERSON if name != "USER"}
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


class _Plan:
    """The models behind the paths, and the rows to fetch with one order. Errors are collected, not raised."""

    def __init__(self, own: OrderFields) -> None:
        self.errors: list[str] = []
        self.own = own
        self.watched: list[tuple[Any, str]] = []
        self._with_order: set[str] = set()
        self._with_line: set[str] = set()
        self.order: Any = self._model("ORDER", own.order)
        self.line: Any = self.order
        self._parent = ""
        if self.order is None:
            return
        if own.lines:
            self._find_lines()
        for key in ("status", "paid_at"):
            self._resolve(key.upper(), self.order, getattr(own, key), self._with_order)
        for key in ("placed_at", "dead_if"):
            for path in getattr(own, key):
                self._resolve(key.upper(), self.order, path, self._with_order)
        for path in own.changed_at:
            self._resolve("CHANGED_AT", self.order, path, set(), lookup=True)
        self._person("BUYER", own.buyer, self.order, self._with_order)
        for model, name in own.watch.items():
            self._watch(model, name)
        if self.line is not None:
            self._resolve_line()

    def orders(self) -> QuerySet[Any]:
        """Read where the shop writes, a replica may not know the order yet; and all rows, whatever a manager hides."""
        rows: QuerySet[Any] = self.order._base_manager.using(router.db_for_write(self.order))
        return rows

    def line_rows(self) -> QuerySet[Any]:
        """The lines with what their paths need."""
        rows: QuerySet[Any] = self.line._base_manager.using(router.db_for_write(self.line))
        return rows.select_related(*sorted(self._with_line)) if self._with_line else rows

    def rows(self, order_refs: Sequence[str]) -> QuerySet[Any]:
        """The orders of these references with their lines and what the paths need."""
        rows = self.orders().filter(pk__in=keys_of_refs(self.order, order_refs))
        if self._with_order:
            rows = rows.select_related(*sorted(self._with_order))
        if self.own.lines:
            rows = rows.prefetch_related(Prefetch(self.own.lines, self.line_rows().order_by("pk")))
        return rows

    def lines_of(self, order: Any) -> Iterable[Any]:
        """Give an order's lines, or the order itself where it has none."""
        return getattr(order, self.own.lines).all() if self.own.lines else (order,)

    def comparable(self, path: str, since: datetime) -> Any:
        """A column of dates is compared with the day."""
        row = self.order
        *steps, last = path.split(".")
        for name in steps:
            row = _step(row, name).related_model
        kind = row._meta.get_field(last).get_internal_type()
        return since.date() if kind == "DateField" else since

    def _model(self, key: str, label: str) -> Any:
        try:
            return apps.get_model(label)
        except (LookupError, ValueError):
            labels = [model._meta.label for model in apps.get_models()]
            self.errors.append(f"{key} names the model {label!r}, which there is not.{_close(label, labels)}")
            return None

    def _find_lines(self) -> None:
        relations = {
            one.get_accessor_name(): one for one in self.order._meta.related_objects if one.one_to_many
        }
        relation = relations.get(self.own.lines)
        if relation is None:
            names = [name for name in relations if name]
            self.errors.append(
                f"LINES names {self.own.lines!r}, and {self.order._meta.label} reaches no rows by that name."
                f"{_close(self.own.lines, names)}"
            )
            self.line = None
            return
        self.line, self._parent = relation.related_model, relation.field.name
        self.watched.append((self.line, relation.field.attname))

    def _watch(self, label: str, name: str) -> None:
        model = self._model("WATCH", label)
        if model is None:
            return
        keys = {f.name: f for f in model._meta.concrete_fields if f.related_model is self.order}
        if name not in keys:
            self.errors.append(
                f"WATCH names {name!r}, and {label} has no foreign key to {self.own.order} of that name; a longer path "
                f"would ask the database inside the checkout.{_close(name, keys)}"
            )
            return
        self.watched.append((model, keys[name].attname))

    def _resolve_line(self) -> None:
        own = self.own
        for key in ("line_status", "quantity", "amount", "unit_amount"):
            self._of_line(key.upper(), getattr(own, key))
        for key in ("product_keys", "line_dead_if", "title"):
            for path in getattr(own, key):
                self._of_line(key.upper(), path)
        for part, paths in own.learner.items():
            for path in paths:
                self._of_line(f"LEARNER.{part}", path, relation=part == "USER")

    def _of_line(self, key: str, path: str, *, relation: bool = False) -> None:
        """The order of a line is the very row that was read, so what hangs on it is fetched with the order."""
        first, _, rest = path.partition(".")
        if rest and self._parent and first == self._parent:
            self._resolve(key, self.order, rest, self._with_order, whole=path, relation=relation)
        self._resolve(key, self.line, path, self._with_line, relation=relation)

    def _person(self, key: str, person: Person, model: Any, fetch: set[str]) -> None:
        for part, paths in person.items():
            for path in paths:
                self._resolve(f"{key}.{part}", model, path, fetch, relation=part == "USER")

    def _resolve(
        self,
        key: str,
        model: Any,
        path: str,
        fetch: set[str],
        *,
        whole: str = "",
        relation: bool = False,
        lookup: bool = False,
    ) -> None:
        if not path:
            return
        steps = path.split(".")
        passed: list[str] = []
        for number, name in enumerate(steps):
            last = number == len(steps) - 1
            found = _step(model, name)
            if found is None and last and not lookup and not relation and hasattr(model, name):
                break
            problem = _problem(found, name, model, last=last, lookup=lookup, relation=relation)
            if problem:
                self._add(f"{key} has the path {whole or path!r}: {problem}")
                return
            if found.is_relation:
                passed.append(name)
                model = found.related_model
        if passed:
            fetch.add("__".join(passed))

    def _add(self, text: str) -> None:
        if text not in self.errors:
            self.errors.append(text)


def _step(model: Any, name: str) -> Any:
    """Find a field or a relation by the name that Python uses; None when there is none."""
    if name == "pk":
        return model._meta.pk
    for relation in model._meta.related_objects:
        if relation.get_accessor_name() == name:
            return relation
    try:
        found = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return found if hasattr(found, "attname") or getattr(found, "many_to_many", False) else None


def _problem(found: Any, name: str, model: Any, *, last: bool, lookup: bool, relation: bool) -> str:
    label = model._meta.label
    if found is None:
        names = [f.name for f in model._meta.get_fields() if not f.auto_created or f.concrete]
        names += [r.get_accessor_name() or "" for r in model._meta.related_objects]
        return f"{label} has no {name!r}.{_close(name, [one for one in names if one])}"
    many = found.is_relation and (found.one_to_many or found.many_to_many)
    if many and (last or not lookup):
        return f"{name!r} of {label} holds many rows, and one is needed."
    if not last and not found.is_relation:
        return f"{name!r} of {label} is a plain field, and nothing can follow it."
    if last and lookup and found.is_relation:
        return f"{name!r} of {label} is a relation, and a time is needed."
    if last and relation and not found.is_relation:
        return f"{name!r} of {label} is a plain field, and a user is needed."
    return ""


def _close(name: str, names: Iterable[str]) -> str:
    return _nearest(name, names) if list(names) else ""
