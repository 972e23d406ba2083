"""The fake's mind without the HTTP: products, switches, hooks, and the answer to a register, a cancel or a report."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from urllib.parse import quote, unquote

from elevate_integration.testing import reports, rules
from elevate_integration.testing.answers import Answer, refusal
from elevate_integration.testing.faults import Fault, FaultQueue
from elevate_integration.testing.reports import REPORT_PATH, Reports
from elevate_integration.testing.store import HeldRegistration, RegisterTwice, Store

Hook = Callable[[str, dict[str, Any]], None]
Pause = Callable[[float], None]
CancelTwice = Literal["success", "error"]


class FakeSite:
    """One Elevate site. Everything that the vendor's page leaves open is an attribute that may be set at any time.

    `register_twice`: the same user and product again: "new_id", "same_id" or "error".
    `cancel_twice`: the same registration again: "success" or "error".
    `refusal_status`, `wrong_key_status`: the HTTP status of `error_messages`.
    `cancel_body`: what a cancel answers: text is sent as it is, anything else as JSON.
    `id_as_string`: `registration_id` as "583919" instead of 583919.
    `empty_names`: whether a first or last name may be empty text.
    `latency`: seconds between reading a call and doing the work.
    `clock()`: the time at which something is registered.
    `reports`: the Report API, with switches of its own.
    `on_call(path, fields)` runs after the call was read and before anything is stored, `after_store(path, fields)`
    after something was stored and before it is answered; both in the thread that answers, fields without the key.
    """

    def __init__(self, *, api_key: str, products: Iterable[str], latency: float) -> None:
        self._api_key = api_key
        self._store = Store()
        self._register_twice: RegisterTwice = "new_id"
        self.products: dict[str, str] = {product_id: product_id for product_id in products}
        self.registration_urls: dict[str, str] = {}
        self.faults = FaultQueue()
        self._cancel_twice: CancelTwice = "success"
        self.refusal_status = 200
        self.wrong_key_status = 401
        self.cancel_body: Any = {"success": True}
        self.id_as_string = False
        self.empty_names = True
        self.latency = latency
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.reports = Reports()
        self.on_call: Hook | None = None
        self.after_store: Hook | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def register_twice(self) -> RegisterTwice:
        return self._register_twice

    @register_twice.setter
    def register_twice(self, value: RegisterTwice) -> None:
        _check_choice("register_twice", value, get_args(RegisterTwice))
        self._register_twice = value

    @property
    def cancel_twice(self) -> CancelTwice:
        return self._cancel_twice

    @cancel_twice.setter
    def cancel_twice(self, value: CancelTwice) -> None:
        _check_choice("cancel_twice", value, get_args(CancelTwice))
        self._cancel_twice = value

    def add_product(self, product_id: str, title: str = "", registration_url: str = "") -> None:
        """Offer one more product; its page sends visitors to `registration_url`."""
        self.products[product_id] = title or product_id
        self.registration_urls[product_id] = registration_url

    def product_url(self, product_id: str) -> str:
        return f"{self.url}/products/{quote(product_id, safe='')}?force_login=1"

    def product_of_slug(self, slug: str) -> str | None:
        product_id = unquote(slug)
        return product_id if product_id in self.products else None

    # What is done at Elevate itself.

    def add_registration(
        self,
        remote_product_id: str,
        *,
        email: str,
        remote_user_id: str = "",
        amount_paid: str = "0.00",
        at: datetime | None = None,
        product_title: str = "",
    ) -> HeldRegistration:
        """Hold a registration that was made by hand, by import or in Elevate's own shop.

        remote_product_id: "" for a product without one. at: with a zone; now by default. Raises ValueError.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError("at needs a time zone.")
        if not rules.is_amount(amount_paid):
            raise ValueError("amount_paid must be a number.")
        fields = {
            "remote_user_id": remote_user_id,
            "remote_product_id": remote_product_id,
            "firstname": "",
            "lastname": "",
            "email": email,
            "amount_paid": amount_paid,
            "product_title": product_title,
        }
        held = self._store.register(fields, twice="new_id", at=at or self.clock())
        assert held is not None  # noqa: S101 - only "error" gives none
        return held

    def change_registration(self, registration_id: int, **changes: Any) -> HeldRegistration:
        """Change what staff of Elevate change: `remote_user_id` and `email` by a transfer, `hidden`, `registered_at`.

        Names are those of `HeldRegistration`. Raises KeyError when there is no such registration.
        """
        return self._store.change(registration_id, **changes)

    # What it holds.

    @property
    def registrations(self) -> list[HeldRegistration]:
        """Every registration, cancelled ones too, in the order they came."""
        return self._store.registrations()

    def live(self) -> list[HeldRegistration]:
        """The registrations that were not cancelled."""
        return [held for held in self.registrations if not held.cancelled]

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """Path and fields (without the key) of each POST that reached it; no fields where the body was unreadable."""
        return self._store.calls()

    @property
    def open_calls(self) -> int:
        """How many POSTs are being answered at this moment."""
        return self._store.open_calls()

    @property
    def max_open_calls(self) -> int:
        """The most that were ever open at once since the start or `clear()`."""
        return self._store.max_open_calls()

    def clear(self) -> None:
        """Forget registrations, calls and faults; products and switches stay."""
        self._store.clear()
        self.faults.clear()

    def rotate_key(self, api_key: str) -> None:
        """Take another API key from the next call on. Calls under way end with the one that they came with."""
        self._api_key = api_key

    def fail(self, fault: str, times: int | None = 1, path: str | None = None, **options: Any) -> None:
        """Spoil the next matching POSTs: see the table in `elevate_integration.testing.faults`."""
        self.faults.fail(fault, times, path, **options)

    def clear_faults(self) -> None:
        self.faults.clear()

    # What it answers.

    def receive(self, path: str, fields: dict[str, Any], *, fault: Fault | None, pause: Pause) -> Answer:
        """The answer to one call; where a fault keeps it from doing the work, an empty one for the fault to fill."""
        key = fields.get("api_key")
        fields = {name: value for name, value in fields.items() if name != "api_key"}
        self._store.note_call(path, fields)
        # By the key of the moment in which the call came: a new one ends nothing that is under way.
        is_ours = self._is_our_key(key, path)
        if self.on_call is not None:
            self.on_call(path, dict(fields))
        pause(self.latency + (fault.options.get("seconds", 0) if fault else 0))
        if fault is not None and not fault.stores:
            return Answer(self.refusal_status, {})
        if path.rstrip("/") == REPORT_PATH:
            return self._report(path, fields, is_ours=is_ours)
        if path not in {rules.REGISTER_PATH, rules.CANCEL_PATH}:
            return Answer(404, "Not found.")
        if not is_ours:
            return refusal(rules.WRONG_KEY, status=self.wrong_key_status)
        return self._register(fields) if path == rules.REGISTER_PATH else self._cancel(fields)

    def receive_unreadable(self, path: str, reason: str) -> Answer:
        """The answer to a POST that is not the JSON object it should be."""
        self.note_unread(path)
        return refusal({"body": reason}, status=self.refusal_status)

    def note_unread(self, path: str) -> None:
        """Count a POST whose body nobody read."""
        self._store.note_call(path, {})

    def open_call(self) -> AbstractContextManager[None]:
        """Counts one call as open while its block runs."""
        return self._store.open_call()

    def _is_our_key(self, key: object, path: str) -> bool:
        if not isinstance(key, str):
            return False
        wanted = (self.reports.key if path == REPORT_PATH else "") or self._api_key
        ours, theirs = (text.encode("utf-8", "surrogatepass") for text in (wanted, key))
        return hmac.compare_digest(ours, theirs)

    def _report(self, path: str, question: dict[str, Any], *, is_ours: bool) -> Answer:
        if path != REPORT_PATH:
            return Answer(301, headers={"Location": REPORT_PATH})
        if hurried := self.reports.turn_away():
            return hurried
        if not is_ours:
            return reports.error(rules.WRONG_KEY["api_key"], status=self.wrong_key_status)
        return self.reports.answer(question, self.registrations, self.products)

    def _register(self, fields: dict[str, Any]) -> Answer:
        errors = rules.registration_errors(fields, empty_names=self.empty_names)
        if not errors and str(fields["remote_product_id"]) not in self.products:
            errors = rules.UNKNOWN_PRODUCT
        if errors:
            return refusal(errors, status=self.refusal_status)
        held = self._store.register(fields, twice=self._register_twice, at=self.clock())
        if held is None:
            return refusal(rules.ALREADY_REGISTERED, status=self.refusal_status)
        self._tell_stored(rules.REGISTER_PATH, fields)
        number = held.registration_id
        return Answer(
            data={
                "product_url": self.product_url(held.remote_product_id),
                "registration_id": str(number) if self.id_as_string else number,
            }
        )

    def _cancel(self, fields: dict[str, Any]) -> Answer:
        errors = rules.cancel_errors(fields)
        registration_id = rules.registration_id_of(fields)
        held = None if registration_id is None else self._store.get(registration_id)
        if not errors and held is None:
            errors = rules.UNKNOWN_REGISTRATION
        if not errors and held is not None and held.cancelled and self._cancel_twice == "error":
            errors = rules.ALREADY_CANCELLED
        if errors or held is None:
            return refusal(errors, status=self.refusal_status)
        self._store.cancel(held.registration_id, fields)
        self._tell_stored(rules.CANCEL_PATH, fields)
        return Answer(data=self.cancel_body)

    def _tell_stored(self, path: str, fields: dict[str, Any]) -> None:
        if self.after_store is not None:
            self.after_store(path, dict(fields))


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}.")
