"""From a snapshot to the registrations an order should have: pure functions, no Django, no I/O.

`derive()` compares what is true about an order with what we already hold and says what to write. It never
invents a cancel: a seat counts as given up only when the source shows it inactive, or twice does not show it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from elevate_integration.orders.source import Learner, Seat, Snapshot

NO_LEARNER = "no_learner"
NO_USER_ID = "no_user_id"
NO_EMAIL = "no_email"
NO_NAME = "no_name"
BAD_AMOUNT = "bad_amount"
TOO_LONG = "too_long"
SAME_EMAIL = "same_email"
FORGOTTEN = "forgotten"

_LIMITS = {"remote_user_id": 190, "firstname": 500, "lastname": 500, "email": 254}
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_LARGEST_AMOUNT = Decimal("9999999999.99")


class Mapped(Protocol):
    """A product mapping as `derive` reads it."""

    pk: int
    product_key: str
    remote_product_id: str
    not_for_elevate: bool

    @property
    def sells(self) -> bool:
        """Whether a new sale makes a registration."""


class Held(Protocol):
    """A registration that exists, as `derive` reads it."""

    pk: int
    seat_key: str
    mapping_id: int
    learner_key: str
    remote_user_id: str
    remote_product_id: str
    seat_active: bool

    @property
    def touched(self) -> bool:
        """Whether anything may have reached Elevate."""

    @property
    def erased(self) -> bool:
        """Whether it is no longer known whose this is."""

    def is_of(self, learner_key: str) -> bool:
        """Tell whether it is a learner's, also where the learner was forgotten."""

    def has_email(self, email_key: str) -> bool:
        """Tell whether an address is the learner's, also where it was forgotten."""


@dataclass(frozen=True)
class Details:
    """What is sent about one seat, cleaned, and what is wrong with it."""

    remote_user_id: str
    firstname: str = field(repr=False)
    lastname: str = field(repr=False)
    email: str = field(repr=False)
    amount_paid: Decimal | None
    product_title: str
    problems: tuple[str, ...]

    @property
    def email_key(self) -> str:
        """The e-mail address as it is compared."""
        return self.email.casefold()[:254]

    @property
    def learner_key(self) -> str:
        """Who this is: the user ID, else the e-mail address, else nobody."""
        return self.remote_user_id or (f"email:{self.email_key}" if self.email else "")


@dataclass(frozen=True)
class Wanting:
    """A registration to make."""

    seat_key: str
    mapping_id: int
    remote_product_id: str
    details: Details


@dataclass(frozen=True)
class Reading:
    """What the order now says about a registration that exists.

    active: the seat is paid for, and it is this learner's.
    missing: the seat was not in the snapshot.
    details: what to send from now on; None leaves the row as it is.
    other_user_id: the same person appears under this ID now; a person must decide.
    """

    pk: int
    seat_key: str
    active: bool
    missing: bool = False
    details: Details | None = None
    other_user_id: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything that a sync writes about one order, before wishes and coverage are worked out."""

    new: tuple[Wanting, ...]
    readings: tuple[Reading, ...]
    unmapped: tuple[Seat, ...]


def clean(value: Any, limit: int | None = None) -> str:
    """Give text as it may be sent: NFC, no NUL, no lone surrogate; cut at `limit`. Never folded to ASCII."""
    text = "" if value is None else str(value)
    return unicodedata.normalize("NFC", _UNSENDABLE.sub("", text)).strip()[:limit]


def amount(value: Any) -> Decimal | None:
    """Give an amount that can be sent, or None: a float, NaN, a negative number or a broken cent cannot."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        return None
    value = Decimal(value)
    if not value.is_finite() or not 0 <= value <= _LARGEST_AMOUNT:
        return None
    cents = value.quantize(Decimal("0.01"))
    # abs: minus zero is written with its sign.
    return abs(cents) if cents == value else None


def details(seat: Seat, *, share: bool = True) -> Details:
    """Read a seat's learner and amount. `share` is False for all but the first product of a bundle."""
    learner = seat.learner or Learner("")
    texts = {
        "remote_user_id": clean(learner.remote_user_id),
        "firstname": clean(learner.first_name),
        "lastname": clean(learner.last_name),
        "email": clean(learner.email),
    }
    paid = amount(seat.amount_paid)
    problems = tuple(_problems(texts, named=seat.learner is not None, paid=paid))
    cut = {name: text[: _LIMITS[name]] for name, text in texts.items()}
    sent = paid if share or paid is None else Decimal("0.00")
    return Details(**cut, amount_paid=sent, product_title=clean(seat.title, 300), problems=problems)


def _problems(texts: dict[str, str], *, named: bool, paid: Decimal | None) -> Iterable[str]:
    if not named or not any(texts.values()):
        yield NO_LEARNER
    else:
        if not texts["remote_user_id"]:
            yield NO_USER_ID
        if not texts["email"]:
            yield NO_EMAIL
        if not texts["firstname"] and not texts["lastname"]:
            yield NO_NAME
    if any(len(text) > _LIMITS[name] for name, text in texts.items()):
        yield TOO_LONG
    if paid is None:
        yield BAD_AMOUNT


def derive(
    snapshot: Snapshot | None,
    mappings: Sequence[Mapped],
    held: Sequence[Held],
    *,
    undecided: Collection[str] = (),
    released: Collection[str] = (),
) -> Plan:
    """Compare an order with its registrations.

    mappings: those of any product key in the snapshot, the oldest first.
    undecided: seats sold before their product was mapped, about which staff have not decided.
    released: seats of that kind which staff want registered.
    """
    seats = snapshot.seats if snapshot is not None else ()
    work = _Derivation(mappings, held, seats, set(undecided), set(released))
    for seat in seats:
        work.read(seat)
    work.read_missing()
    return Plan(tuple(work.new.values()), tuple(work.readings.values()), tuple(work.unmapped))


class _Derivation:
    def __init__(
        self,
        mappings: Sequence[Mapped],
        held: Sequence[Held],
        seats: Sequence[Seat],
        undecided: set[str],
        released: set[str],
    ) -> None:
        self.by_key: dict[str, list[Mapped]] = {}
        for mapping in mappings:
            self.by_key.setdefault(mapping.product_key, []).append(mapping)
        self.by_seat: dict[str, list[Held]] = {}
        for row in held:
            self.by_seat.setdefault(row.seat_key, []).append(row)
        shown = {seat.key for seat in seats}
        self.orphans = [row for row in held if row.seat_key not in shown]
        self.undecided = undecided
        self.released = released
        self.new: dict[tuple[str, str, str], Wanting] = {}
        self.readings: dict[int, Reading] = {}
        self.unmapped: list[Seat] = []

    def read(self, seat: Seat) -> None:
        rows = self.by_seat.get(seat.key) or self._adopt(seat)
        mapped = next((self.by_key[key] for key in seat.product_keys if key in self.by_key), [])
        selling = [mapping for mapping in mapped if mapping.sells]
        if rows:
            for position, mapping_id in enumerate(dict.fromkeys(row.mapping_id for row in rows)):
                same = [row for row in rows if row.mapping_id == mapping_id]
                mapping = next((m for m in selling if m.pk == mapping_id), None)
                self._follow(seat, same, mapping, share=position == 0)
        elif seat.active:
            self._start(seat, mapped, selling)

    def read_missing(self) -> None:
        for row in self.orphans:
            self.readings[row.pk] = Reading(row.pk, row.seat_key, active=False, missing=True)

    def _start(self, seat: Seat, mapped: list[Mapped], selling: list[Mapped]) -> None:
        if not selling:
            if not any(mapping.not_for_elevate for mapping in mapped):
                self.unmapped.append(seat)
            return
        if seat.key in self.undecided and seat.key not in self.released:
            return
        for position, mapping in enumerate(selling):
            self._want(seat, mapping.pk, mapping.remote_product_id, share=position == 0)

    def _want(self, seat: Seat, mapping_id: int, remote_product_id: str, *, share: bool) -> None:
        found = details(seat, share=share)
        key = (seat.key, remote_product_id, found.learner_key)
        self.new.setdefault(key, Wanting(seat.key, mapping_id, remote_product_id, found))

    def _follow(self, seat: Seat, rows: list[Held], mapping: Mapped | None, *, share: bool) -> None:
        found = details(seat, share=share)
        row, other_id = _match(rows, found)
        for gone in rows:
            if gone is not row:
                self.readings[gone.pk] = Reading(gone.pk, seat.key, active=False)
        if row is not None:
            same = row.erased or row.learner_key == found.learner_key
            kept = found if same or not row.touched else None
            self.readings[row.pk] = Reading(
                row.pk, seat.key, active=seat.active, details=kept, other_user_id=other_id
            )
        elif seat.active:
            # No new sale: where the mapping sells no more, the new learner gets what the one before had.
            product = rows[-1].remote_product_id if mapping is None else mapping.remote_product_id
            self._want(seat, rows[-1].mapping_id, product, share=share)

    def _adopt(self, seat: Seat) -> list[Held]:
        """Find the rows of a seat whose order line was deleted and written anew under another key."""
        wanted = {mapping.pk for key in seat.product_keys for mapping in self.by_key.get(key, ())}
        learner_key = details(seat).learner_key
        taken: dict[int, Held] = {}
        old_seat = None
        for row in self.orphans:
            fits = row.mapping_id in wanted and row.is_of(learner_key) and row.mapping_id not in taken
            if fits and old_seat in (None, row.seat_key):
                old_seat = row.seat_key
                taken[row.mapping_id] = row
        self.orphans = [row for row in self.orphans if row not in taken.values()]
        return list(taken.values())


def _match(rows: list[Held], found: Details) -> tuple[Held | None, str]:
    """Find the row of a seat's learner; with it the ID under which the same person appears now, if another."""
    exact = next((row for row in rows if row.learner_key == found.learner_key), None)
    exact = exact or next((row for row in rows if row.is_of(found.learner_key)), None)
    if exact is not None:
        # After `identity_changed` the key is new, and what Elevate was told is still the old ID.
        told_otherwise = exact.remote_user_id and exact.remote_user_id != found.remote_user_id
        return exact, found.remote_user_id if told_otherwise else ""
    if not found.learner_key:
        # A learner who can no longer be read (his account was deleted) is no refund.
        seated = [row for row in rows if row.seat_active] or rows
        return next((row for row in seated if row.touched), seated[0]), ""
    erased = next((row for row in rows if row.erased and row.seat_active), None)
    if erased is not None:
        # Perhaps the same account, made anonymous; perhaps somebody else. Nobody is cancelled or registered on a guess.
        return erased, found.learner_key if erased.touched else ""
    known = [row for row in rows if row.touched and row.seat_active and found.email]
    same_person = next((row for row in known if row.has_email(found.email_key)), None)
    if same_person is not None:
        return same_person, found.learner_key
    return next((row for row in rows if not row.touched), None), ""
