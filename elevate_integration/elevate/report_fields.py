"""What is asked of Elevate's Report API, and how a site spells it: pure.

Source: the vendor's support article *Elevate Report API*. How a site spells its fields is not documented, so it is a
setting.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

RESOURCE = "productRegistration"

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}(\.[A-Za-z_][A-Za-z0-9_]{0,99})*")


@dataclass(frozen=True)
class ReportFields:
    """How this Elevate site spells the fields of a registration's report; a dot leads into a relation.

    An empty name means that the site has no such field: it is not asked for. `transaction_at`, `product_id` and one of
    `id`, `user_id` and `email` are needed. Raises ValueError.
    """

    id: str = "id"
    transaction_at: str = "transaction_at"
    price: str = "price_after_discount"
    email: str = "user.email"
    user_id: str = "user.member_id"
    product_id: str = "product.remote_product_id"
    product_title: str = "product.title"

    def __post_init__(self) -> None:
        for key, name in self._all():
            if name and not _FIELD_NAME.fullmatch(name):
                raise ValueError(f"{key} needs the name of a field, such as {_DEFAULT_NAMES[key]!r}")
        if not self.transaction_at or not self.product_id:
            raise ValueError(
                "transaction_at and product_id cannot be empty: nothing can be compared without them"
            )
        if not (self.id or self.user_id or self.email):
            raise ValueError("one of id, user_id and email is needed: nothing can be compared without them")
        names = list(self.asked().values())
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is named twice")
            if any(other.startswith(f"{name}.") for other in names):
                raise ValueError(f"{name} cannot be both a field and a relation")

    @classmethod
    def from_mapping(cls, names: Mapping[str, str]) -> ReportFields:
        """Read a setting: keys as above, in lower case. Raises ValueError or TypeError and names the nearest key."""
        if not isinstance(names, Mapping):
            raise TypeError("a dict is needed")
        for key, name in names.items():
            if key not in _DEFAULT_NAMES:
                near = difflib.get_close_matches(str(key).lower(), _DEFAULT_NAMES, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_DEFAULT_NAMES)}"
                raise ValueError(f"{key!r} is no field that is compared{hint}")
            if not isinstance(name, str):
                raise TypeError(f"{key} needs the name of a field as text, or '' when the site has none")
        return cls(**{key: name.strip() for key, name in names.items()})

    def asked(self) -> dict[str, str]:
        """Give the names that are asked for, by key."""
        return {key: name for key, name in self._all() if name}

    def key_of(self, name: str) -> str:
        """Give the key of a name as Elevate wrote it, with or without its relation; `""` when it is not ours."""
        wanted = name.lower()
        asked = {key: ours.lower() for key, ours in self.asked().items()}
        exact = [key for key, ours in asked.items() if ours == wanted]
        last = [key for key, ours in asked.items() if ours.rpartition(".")[2] == wanted]
        if exact:
            return exact[0]
        return last[0] if len(last) == 1 else ""

    def _all(self) -> Iterator[tuple[str, str]]:
        return ((entry.name, getattr(self, entry.name)) for entry in fields(self))


_DEFAULT_NAMES: dict[str, str] = {entry.name: str(entry.default) for entry in fields(ReportFields)}


@dataclass(frozen=True)
class ReportRequest:
    """The registrations of a stretch of time; both ends belong to it, to the second.

    since, until: wall-clock times of the Elevate site, without a zone: its zone is not documented.
    """

    since: datetime
    until: datetime
    names: ReportFields = ReportFields()

    def __post_init__(self) -> None:
        if self.since.tzinfo or self.until.tzinfo:
            raise ValueError(
                "A report is asked for by the wall clock of the Elevate site: give times without a zone."
            )
        if self.since > self.until:
            raise ValueError("A report cannot end before it begins.")

    def fields(self) -> dict[str, Any]:
        """Give the JSON body without the key."""
        wanted: dict[str, Any] = {}
        for name in self.names.asked().values():
            *relations, leaf = name.split(".")
            place = wanted
            for relation in relations:
                place = place.setdefault(relation, {})
            place[leaf] = True
        return {
            "format": "json",
            "labels": False,
            "resource": RESOURCE,
            "fields": wanted,
            "filters": {
                self.names.transaction_at: {">=": _written(self.since), "<=": _written(self.until)},
            },
        }


def _written(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")
