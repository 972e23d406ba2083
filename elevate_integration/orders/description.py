"""What `ELEVATE["ORDER_FIELDS"]` may hold, and how it is read. Pure: whether the paths lead anywhere, `plan` tells."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

PERSON = ("USER", "REMOTE_USER_ID", "FIRST_NAME", "LAST_NAME", "EMAIL")

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
                raise _wrong(f"has an unknown key {key!r}.{nearest(str(key).upper(), known)}")
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
            raise _wrong(f"has {key!r} that is no dict; its keys are {', '.join(PERSON)}.")
        for part in value:
            if part not in PERSON:
                raise _wrong(f"has an unknown key {part!r} in {key!r}.{nearest(str(part).upper(), PERSON)}")
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


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant by one that is not, or which there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(names)}."
