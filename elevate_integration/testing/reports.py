"""The fake's Report API: the answers that a public connector saw, and a switch for whatever nobody has seen.

Source of the question: the vendor's support article *Elevate Report API*.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from operator import eq, ge, gt, le, lt
from typing import Any

from elevate_integration.testing.answers import Answer
from elevate_integration.testing.store import HeldRegistration

REPORT_PATH = "/api/reports"
RESOURCE = "productRegistration"
MOMENT = "%Y-%m-%d %H:%M:%S"

_COMPARISONS: dict[str, Callable[[str, str], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt, "=": eq}


@dataclass(frozen=True)
class ReportRow:
    """A registration as a report sees it. at: the site's wall clock."""

    held: HeldRegistration
    at: str
    title: str

    @property
    def price(self) -> str:
        """Two decimals, as text."""
        return f"{Decimal(self.held.amount_paid):.2f}"


ReportField = Callable[[ReportRow], Any]

FIELDS: dict[str, ReportField] = {
    "id": lambda row: row.held.registration_id,
    "transaction_at": lambda row: row.at,
    "modified_at": lambda row: row.at,
    "price_before_discount": lambda row: row.price,
    "amount_discounted": lambda row: "0.00",
    "price_after_discount": lambda row: row.price,
    "user.firstname": lambda row: row.held.firstname,
    "user.lastname": lambda row: row.held.lastname,
    "user.email": lambda row: row.held.email,
    "user.member_id": lambda row: row.held.remote_user_id or None,
    "product.title": lambda row: row.title,
    "product.remote_product_id": lambda row: row.held.remote_product_id or None,
    "product.remote_accounting_code": lambda row: None,
}


class Reports:
    """The Report API of one fake site. Every attribute may be set at any time.

    `key`: the Report API's own key; "" is the site's.
    `fields`: how the site spells its fields, and what stands in them: rename one, or let the ID be another number, as
    in `fields["id"] = lambda row: row.held.registration_id + 1`.
    `flat`: fields of a relation as "user.email" instead of nested.
    `limit`: the most registrations in one answer; `count` tells how many there are. None: all.
    `zone`: the time zone of the site, in which it filters and answers.
    `pause`: seconds that must lie between two calls; the sooner one is answered 429. `retry_after`: seconds that such
    an answer names, None: it names none.
    `error_status`: of an answer that speaks of an unknown field.
    `cancelled`: whether cancelled registrations are in reports.
    `cold_storage`: Remote Product IDs that have vanished from reports.
    """

    def __init__(self) -> None:
        self.key = ""
        self.fields: dict[str, ReportField] = dict(FIELDS)
        self.flat = False
        self.limit: int | None = None
        self.zone: tzinfo = UTC
        self.pause = 0.0
        self.retry_after: int | None = None
        self.error_status = 500
        self.cancelled = False
        self.cold_storage: set[str] = set()
        self._lock = threading.Lock()
        self._asked_at = float("-inf")

    def turn_away(self) -> Answer | None:
        """Give the answer to somebody who asks too soon, else None."""
        with self._lock:
            since, self._asked_at = time.monotonic() - self._asked_at, time.monotonic()
        if since >= self.pause:
            return None
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return error("Too many requests.", status=429, headers=headers)

    def answer(
        self, question: Mapping[str, Any], held: Iterable[HeldRegistration], titles: Mapping[str, str]
    ) -> Answer:
        """Answer a question from what the site holds. titles: of products, by Remote Product ID."""
        try:
            names = self._names(question)
            fits = self._filter(question.get("filters", {}))
        except _QuestionError as problem:
            return error(str(problem), status=self.error_status)
        rows = [row for one in held if self._is_shown(one) and fits(row := self._row(one, titles))]
        items = [self._item(row, names) for row in rows[: self.limit]]
        labels = {name: name for name in names}
        return Answer(data={"response": {"labels": labels, "items": items, "count": len(rows)}})

    def _is_shown(self, held: HeldRegistration) -> bool:
        if held.hidden or held.remote_product_id in self.cold_storage:
            return False
        return self.cancelled or not held.cancelled

    def _row(self, held: HeldRegistration, titles: Mapping[str, str]) -> ReportRow:
        title = held.fields.get("product_title") or titles.get(held.remote_product_id, held.remote_product_id)
        return ReportRow(held, held.registered_at.astimezone(self.zone).strftime(MOMENT), title)

    def _item(self, row: ReportRow, names: Iterable[str]) -> dict[str, Any]:
        item: dict[str, Any] = {}
        for name in names:
            relation, _, leaf = name.rpartition(".")
            place = item.setdefault(relation, {}) if relation and not self.flat else item
            place[name if self.flat else leaf] = self.fields[name](row)
        return item

    def _names(self, question: Mapping[str, Any]) -> list[str]:
        if question.get("format") != "json":
            raise _QuestionError("Only the format json is known.")
        if question.get("resource") != RESOURCE:
            raise _QuestionError(f"Resource {question.get('resource')} doesn't exist")
        names = list(_flattened(question.get("fields")))
        for name in names:
            self._check_name(name)
        return names

    def _filter(self, filters: Any) -> Callable[[ReportRow], bool]:
        conditions: list[tuple[str, Callable[[str, str], bool], str]] = []
        for name, wanted in _mapping(filters, "filters").items():
            self._check_name(name)
            for sign, value in _mapping(wanted, name).items():
                if sign not in _COMPARISONS:
                    raise _QuestionError(f"Filter {sign} doesn't exist")
                conditions.append((name, _COMPARISONS[sign], _moment(value)))
        return lambda row: all(
            compare(str(self.fields[name](row)), value) for name, compare, value in conditions
        )

    def _check_name(self, name: str) -> None:
        if name not in self.fields:
            raise _QuestionError(f"Field {name} doesn't exist")


class _QuestionError(ValueError):
    """What is wrong with a question, in the words of the answer."""


def error(text: str, *, status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """The shape in which the Report API speaks of errors."""
    return Answer(status, {"error": {"message": text}}, headers=headers or {})


def _flattened(fields: Any, prefix: str = "") -> Iterable[str]:
    """List the fields that are asked for, flat or nested, as flat names."""
    for name, wanted in _mapping(fields, "fields").items():
        if isinstance(wanted, Mapping):
            yield from _flattened(wanted, f"{prefix}{name}.")
        elif wanted:
            yield f"{prefix}{name}"


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _QuestionError(f"{name} must be an object.")
    return value


def _moment(value: Any) -> str:
    try:
        datetime.strptime(value, MOMENT)  # noqa: DTZ007 - the site's wall clock
    except (ValueError, TypeError):
        raise _QuestionError(f"{value} is not a time.") from None
    return str(value)
