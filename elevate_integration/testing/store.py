"""What the fake holds: registrations, the calls that reached it, and how many are open. Safe between threads."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

RegisterTwice = Literal["new_id", "same_id", "error"]

FIRST_REGISTRATION_ID = 583919


@dataclass(frozen=True)
class HeldRegistration:
    """One registration as it was received; `fields` is everything that came with it except the API key.

    hidden: whether reports leave it out.
    """

    registration_id: int
    remote_user_id: str
    remote_product_id: str
    firstname: str = field(repr=False)
    lastname: str = field(repr=False)
    email: str = field(repr=False)
    amount_paid: str
    send_email: bool | None
    fields: dict[str, Any] = field(repr=False)
    registered_at: datetime
    hidden: bool = False
    cancelled: bool = False
    cancel_fields: dict[str, Any] | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The fields as received, with the registration ID and whether it was cancelled."""
        return {
            **self.fields,
            "registration_id": self.registration_id,
            "cancelled": self.cancelled,
            "cancel_fields": self.cancel_fields,
        }


class Store:
    """Registrations in the order they came; IDs are never used twice, not even after `clear()`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ids = itertools.count(FIRST_REGISTRATION_ID)
        self._open_calls = 0
        self._start_empty()

    def _start_empty(self) -> None:
        self._held: dict[int, HeldRegistration] = {}
        self._live: dict[tuple[str, str], int] = {}
        self._calls: list[tuple[str, dict[str, Any]]] = []
        self._max_open_calls = self._open_calls

    def clear(self) -> None:
        with self._lock:
            self._start_empty()

    def register(
        self, fields: dict[str, Any], *, twice: RegisterTwice, at: datetime
    ) -> HeldRegistration | None:
        """Hold one more registration; None when this user already has the product and that is an error."""
        learner_and_product = (str(fields["remote_user_id"]), str(fields["remote_product_id"]))
        with self._lock:
            existing = self._live.get(learner_and_product)
            if existing is not None and twice == "error":
                return None
            if existing is not None and twice == "same_id":
                return self._held[existing]
            held = _held_from(next(self._ids), fields, at)
            self._held[held.registration_id] = held
            self._live[learner_and_product] = held.registration_id
            return held

    def cancel(self, registration_id: int, fields: dict[str, Any]) -> None:
        """Mark a held registration as cancelled; a second cancel leaves the first one's fields in place."""
        with self._lock:
            held = self._held[registration_id]
            if held.cancelled:
                return
            self._held[registration_id] = replace(held, cancelled=True, cancel_fields=fields)
            learner_and_product = (held.remote_user_id, held.remote_product_id)
            if self._live.get(learner_and_product) == registration_id:
                self._live.pop(learner_and_product)

    def change(self, registration_id: int, **changes: Any) -> HeldRegistration:
        """Hold a registration with other values; raises KeyError when there is none of that ID."""
        with self._lock:
            changed = self._held[registration_id] = replace(self._held[registration_id], **changes)
            return changed

    def get(self, registration_id: int) -> HeldRegistration | None:
        with self._lock:
            return self._held.get(registration_id)

    def registrations(self) -> list[HeldRegistration]:
        with self._lock:
            return list(self._held.values())

    def note_call(self, path: str, fields: dict[str, Any]) -> None:
        with self._lock:
            self._calls.append((path, fields))

    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        with self._lock:
            return list(self._calls)

    @contextmanager
    def open_call(self) -> Iterator[None]:
        """Count one call as open for as long as the block runs."""
        with self._lock:
            self._open_calls += 1
            self._max_open_calls = max(self._max_open_calls, self._open_calls)
        try:
            yield
        finally:
            with self._lock:
                self._open_calls -= 1

    def open_calls(self) -> int:
        with self._lock:
            return self._open_calls

    def max_open_calls(self) -> int:
        with self._lock:
            return self._max_open_calls


def _held_from(registration_id: int, fields: dict[str, Any], at: datetime) -> HeldRegistration:
    return HeldRegistration(
        registration_id=registration_id,
        remote_user_id=str(fields["remote_user_id"]),
        remote_product_id=str(fields["remote_product_id"]),
        firstname=fields["firstname"],
        lastname=fields["lastname"],
        email=fields["email"],
        amount_paid=str(fields["amount_paid"]),
        send_email=fields.get("send_email"),
        fields=fields,
        registered_at=at,
    )
