"""The models that a description's paths lead to, and what to read with an order. Builds queries, runs none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import Prefetch, QuerySet

from elevate_integration.orders.description import OrderFields, Person, nearest
from elevate_integration.orders.references import keys_of_refs


class Plan:
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
    return nearest(name, names) if list(names) else ""
