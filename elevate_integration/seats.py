"""Seats that an order names nobody for: which they are, who may name their learners, and what was typed.

The buyer comes with a signed link, or logged in as the buyer. Calls nobody; sync reads what is written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from elevate_integration import marks
from elevate_integration.assigned import assignments
from elevate_integration.conf import conf, order_source
from elevate_integration.lifecycle import Status
from elevate_integration.members.courses import learner_key_of
from elevate_integration.models import ProductMapping, Registration, SeatAssignment, database
from elevate_integration.orders.source import Seat, Snapshot
from elevate_integration.retrying import retried
from elevate_integration.sync import lock_order
from elevate_integration.wishes import clean

_SALT = "elevate_integration.seats"
_MOST_ORDERS = 20


@dataclass(frozen=True)
class Name:
    """Who is to take a seat, as typed."""

    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)

    @property
    def empty(self) -> bool:
        """Whether nobody is named."""
        return not (self.first_name or self.last_name or self.email)

    @property
    def full(self) -> str:
        """The name as one text."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True)
class OpenSeat:
    """A paid seat that the order names nobody for.

    name: who was named here, if anybody. sent: whether Elevate may know somebody for it already.
    product: what two seats have in common that would give one person the same thing twice.
    taken: addresses of the other seats of this product that the order itself names, in small letters.
    """

    key: str
    title: str
    product: str
    name: Name
    sent: bool
    taken: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Named:
    """What became of names: keys of the seats whose learner changed, and of those left since they were sent or gone."""

    saved: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """What a buyer's link says. expired: it is ours, and too old to be let in by."""

    order_ref: str
    expired: bool = False


def assignment_url(request: HttpRequest | None, order_ref: Any) -> str:
    """Give the signed address at which whoever has it names the learners of an order's seats, for SEAT_LINK_DAYS days.

    For the buyer alone, in the mail that confirms the order for example. Absolute with a request, else a path.
    Raises NoReverseMatch when the host does not include our addresses.
    """
    ticket = signing.dumps(str(order_ref), salt=_SALT)
    path = reverse("elevate_integration:seats", args=[ticket])
    return request.build_absolute_uri(path) if request is not None else path


def read_link(ticket: str) -> Link | None:
    """Read a link; None when it is forged or not whole."""
    try:
        order_ref = signing.loads(ticket, salt=_SALT)
    except signing.BadSignature:
        return None
    try:
        signing.loads(ticket, salt=_SALT, max_age=timedelta(days=conf().seat_link_days))
    except signing.SignatureExpired:
        return Link(order_ref, expired=True)
    return Link(order_ref)


def is_buyer(user: Any, order_ref: str) -> bool:
    """Whether a log-in bought an order. A guest without a user ID is nobody's log-in. Raises what the source raises."""
    key = learner_key_of(user)
    snapshot = order_source().snapshot(order_ref) if key else None
    return snapshot is not None and _bought(snapshot, key)


def open_seats(order_ref: str) -> tuple[OpenSeat, ...]:
    """Give the paid seats of mapped products that the order names nobody for, those named here among them.

    Empty for an order that is gone, and for one before the go-live date. Raises what the source raises.
    """
    snapshot = order_source().snapshot(order_ref)
    waiting = [] if snapshot is None else [s for s in snapshot.seats if s.active and s.learner is None]
    if snapshot is None or not waiting:
        return ()
    rows = Registration.objects.using(database()).filter(order_ref=order_ref).defer("error_messages")
    known = {row.seat_key for row in rows}
    sent = {row.seat_key for row in rows if row.touched}
    selling = _selling(waiting) if _is_registered(snapshot) else set()
    typed = assignments([order_ref]).get(order_ref, {})
    return tuple(
        OpenSeat(
            key=seat.key,
            title=seat.title,
            product=_product(seat),
            name=_name(typed.get(seat.key)),
            sent=seat.key in sent,
            taken=_taken(snapshot, seat),
        )
        for seat in waiting
        if seat.key in known or seat.key in selling
    )


def has_named(order_ref: str) -> bool:
    """Whether anybody was named here for seats of an order."""
    return SeatAssignment.objects.using(database()).filter(order_ref=order_ref).exists()


def orders_to_name(user: Any) -> tuple[str, ...]:
    """Give the orders in which a log-in bought seats that wait for names, and has a place of its own.

    Orders of others are left out: only the source knows who bought what, so it is asked about each that comes into
    question. Raises what the source raises.
    """
    key = learner_key_of(user)
    if not key:
        return ()
    rows = Registration.objects.using(database())
    waiting = rows.filter(status=Status.HELD, wanted=True, learner_key="")
    waiting = waiting.filter(order_ref__in=rows.filter(learner_key=key).values("order_ref"))
    refs = dict.fromkeys(waiting.order_by("-pk").values_list("order_ref", flat=True)[: _MOST_ORDERS * 50])
    found: Mapping[str, Snapshot | None] = order_source().snapshots(list(refs)[:_MOST_ORDERS]) if refs else {}
    return tuple(
        ref
        for ref, shot in found.items()
        if shot is not None and _bought(shot, key) and any(s.active and s.learner is None for s in shot.seats)
    )


def doubles(names: Iterable[tuple[OpenSeat, Name]]) -> set[str]:
    """Give the keys of seats whose person has another seat of the same product too: he would take two places."""
    named = [(seat, (seat.product, name.email.casefold())) for seat, name in names if name.email]
    times = Counter(whose for _, whose in named)
    return {seat.key for seat, whose in named if times[whose] > 1 or whose[1] in seat.taken}


@retried
def name_seats(order_ref: str, names: Mapping[str, Name], *, by: str, sent_too: bool = False) -> Named:
    """Write who takes which seat, all in one transaction, and have the order read again.

    names: by the key of the seat; an empty name takes a name back. by: the log-in, `""` for the holder of a link.
    sent_too: also where Elevate may know somebody already, who is cancelled then; nobody can be taken out of such a
    seat without another coming in. Seats that are not open are left. Raises what the source raises.
    """
    using = database()
    saved, left = [], []
    with transaction.atomic(using=using):
        lock_order(order_ref)
        seats = {seat.key: seat for seat in open_seats(order_ref)}
        for key, typed in names.items():
            name, seat = _cleaned(typed), seats.get(key)
            if seat is not None and seat.name == name:
                continue
            if seat is None or (seat.sent and (name.empty or not sent_too)):
                left.append(key)
                continue
            _write(order_ref, key, name, by, using)
            saved.append(key)
        if saved:
            marks.order_changed(order_ref, using=using)
    return Named(tuple(saved), tuple(left))


def _write(order_ref: str, key: str, name: Name, by: str, using: str) -> None:
    rows = SeatAssignment.objects.using(using)
    if name.empty:
        rows.filter(order_ref=order_ref, seat_key=key).delete()
        return
    typed = {"first_name": name.first_name, "last_name": name.last_name, "email": name.email}
    rows.update_or_create(order_ref=order_ref, seat_key=key, defaults={**typed, "entered_by": clean(by, 150)})


def _cleaned(name: Name) -> Name:
    return Name(clean(name.first_name, 200), clean(name.last_name, 200), clean(name.email, 254))


def _name(row: SeatAssignment | None) -> Name:
    return Name() if row is None else Name(row.first_name, row.last_name, row.email)


def _bought(snapshot: Snapshot, key: str) -> bool:
    return snapshot.buyer is not None and clean(snapshot.buyer.remote_user_id) == key


def _product(seat: Seat) -> str:
    return "\n".join(seat.product_keys)


def _taken(snapshot: Snapshot, seat: Seat) -> frozenset[str]:
    others = [other for other in snapshot.seats if other.active and _product(other) == _product(seat)]
    emails = (clean(other.learner.email).casefold() for other in others if other.learner is not None)
    return frozenset(email for email in emails if email)


def _selling(seats: Iterable[Seat]) -> set[str]:
    """Give the keys of seats that a sync would register."""
    asked = list(seats)
    by_key: dict[str, list[ProductMapping]] = {}
    keys = {key for seat in asked for key in seat.product_keys}
    for mapping in ProductMapping.objects.using(database()).filter(product_key__in=keys):
        by_key.setdefault(mapping.product_key, []).append(mapping)
    found = set()
    for seat in asked:
        mapped: list[ProductMapping] = next((by_key[key] for key in seat.product_keys if key in by_key), [])
        if any(mapping.sells for mapping in mapped):
            found.add(seat.key)
    return found


def _is_registered(snapshot: Snapshot) -> bool:
    """Whether the go-live date lets the order in."""
    placed = snapshot.placed_at or order_source().placed_at(snapshot.order_ref)
    go_live = conf().go_live
    return go_live is not None and placed is not None and placed >= go_live
