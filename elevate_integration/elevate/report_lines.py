"""Reads the lines of a report: every one of them, or `CannotReadError`. Pure.

Source: answers as observed by a public connector. A line left out would make its registration look missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from .cleaning import ID_LIMIT, Secret, clean_id, clean_text
from .report_fields import ReportFields

TEXT_LIMIT = 300

_AMOUNT = re.compile(r"-?\$?([0-9]{1,3}(,[0-9]{3})+|[0-9]{1,12})(\.[0-9]{1,10})?")
# Elevate answers without a zone; one that is there all the same is dropped, the wall clock is what was asked for.
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?\s*(Z|[+-][0-9:]{4,6})?"
)
_ABSENT = object()


class CannotReadError(Exception):
    """Why an answer is no report; key: of `ReportFields`, where one field is to blame."""

    def __init__(self, text: str, *, key: str = "") -> None:
        super().__init__(text)
        self.key = key


@dataclass(frozen=True)
class ReportLine:
    """One registration as Elevate reports it; `""` or None where the site gave nothing.

    report_id: the report's own ID. Whether it is the registration ID must be proved before it is used as one.
    transaction_at: wall-clock time of the Elevate site, without a zone.
    """

    report_id: str
    transaction_at: datetime | None
    remote_product_id: str
    product_title: str
    remote_user_id: str = field(repr=False)
    email: str = field(repr=False)
    price: Decimal | None


def read_lines(parsed: Any, names: ReportFields, *, secret: Secret) -> tuple[tuple[ReportLine, ...], int]:
    """Give the lines of a parsed answer, and how many Elevate says there are. Raises CannotReadError."""
    response = parsed.get("response") if isinstance(parsed, dict) else None
    if not isinstance(response, dict):
        raise CannotReadError("the answer is not a report. Read its body")
    items = response.get("items")
    if isinstance(items, dict) and all(key.isdigit() for key in items):
        # How PHP writes a list whose numbers have a gap.
        items = list(items.values())
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise CannotReadError("the list of registrations cannot be read. Read the answer's body")
    count = _count(response.get("count"))
    if count is None or count < len(items):
        raise CannotReadError("the number of registrations is missing or too small, so it may be cut unseen")
    for key, name in names.asked().items():
        if items and all(_value(item, name) is _ABSENT for item in items):
            raise CannotReadError(
                f'the answer holds no "{name}". Set "{key}" in REPORT_FIELDS to the name that your site uses',
                key=key,
            )
    return tuple(_line(item, names, secret) for item in items), count


def _line(item: dict[str, Any], names: ReportFields, secret: Secret) -> ReportLine:
    value = {key: _value(item, name) for key, name in names.asked().items()}
    found = {key: None if one is _ABSENT else one for key, one in value.items()}

    def text(key: str) -> str:
        return _text(found.get(key), key, secret)

    return ReportLine(
        report_id=_report_id(found["id"], secret) if names.id else "",
        transaction_at=_moment(found["transaction_at"]),
        remote_product_id=text("product_id"),
        product_title=text("product_title"),
        remote_user_id=text("user_id"),
        email=text("email"),
        price=_amount(found.get("price")),
    )


def _value(item: dict[str, Any], name: str) -> Any:
    """Find a field, flat (`"user.email"`) or nested; None inside a relation that is empty."""
    if name in item:
        return item[name]
    place: Any = item
    *relations, leaf = name.split(".")
    for relation in relations:
        if relation not in place:
            return _ABSENT
        place = place[relation]
        if place is None or place in ([], "", {}):
            return None
        if not isinstance(place, dict):
            raise CannotReadError(f'"{relation}" of a registration cannot be read. Read the answer\'s body')
    return place.get(leaf, _ABSENT)


def _report_id(value: Any, secret: Secret) -> str:
    found = clean_id(value, secret=secret)[0]
    if not found:
        raise _not_readable("id")
    return found


def _text(value: Any, key: str, secret: Secret) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _not_readable(key)
    return clean_text(str(value), limit=TEXT_LIMIT, secret=secret).strip()


def _moment(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise _not_readable("transaction_at")
    try:
        return datetime.fromisoformat(f"{found[1]} {found[2]}")
    except ValueError:
        raise _not_readable("transaction_at") from None


def _amount(value: Any) -> Decimal | None:
    if value is None or value == "":
        return None
    written = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value).strip()
    if not _AMOUNT.fullmatch(written):
        raise _not_readable("price")
    return Decimal(written.replace(",", "").replace("$", ""))


def _not_readable(key: str) -> CannotReadError:
    return CannotReadError(
        f'the "{key}" of a registration cannot be read. Read the answer\'s body, and look at "{key}" in REPORT_FIELDS',
        key=key,
    )


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= ID_LIMIT:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
