"""Who was named here for seats that an order names nobody for: read with a snapshot, before anything is derived.

Asks nothing of an order whose seats all have learners.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from elevate_integration.conf import order_source
from elevate_integration.models import SeatAssignment, database
from elevate_integration.orders.source import Learner, Seat, Snapshot
from elevate_integration.wishes import clean

Assignments = Mapping[str, Mapping[str, SeatAssignment]]


def with_assigned(snapshots: Mapping[str, Snapshot | None]) -> Mapping[str, Snapshot | None]:
    """Give the snapshots with the learners that were named here. One query for all, and one question to the source.

    A learner whom the order names stays. A person with an account is the account, its own names included, so that
    who types an address cannot rename a member; anybody else has no user ID, and the seat is held.
    Raises what the source raises.
    """
    waiting = [ref for ref, shot in snapshots.items() if shot is not None and _nameless(shot)]
    if not waiting:
        return snapshots
    named = assignments(waiting)
    emails = {
        named[ref][seat.key].email
        for ref in waiting
        for seat in _nameless(snapshots[ref])
        if seat.key in named.get(ref, {})
    }
    if not emails:
        return snapshots
    accounts = order_source().learners_by_email(emails)
    return {ref: _filled(shot, named.get(ref, {}), accounts) for ref, shot in snapshots.items()}


def assignments(order_refs: Iterable[str]) -> Assignments:
    """Give what was typed for the seats of these orders, by order and seat."""
    found: dict[str, dict[str, SeatAssignment]] = defaultdict(dict)
    for row in SeatAssignment.objects.using(database()).filter(order_ref__in=list(order_refs)):
        found[row.order_ref][row.seat_key] = row
    return found


def _nameless(shot: Snapshot | None) -> list[Seat]:
    return [seat for seat in shot.seats if seat.learner is None] if shot is not None else []


def _filled(
    shot: Snapshot | None, named: Mapping[str, SeatAssignment], accounts: Mapping[str, Learner]
) -> Snapshot | None:
    if shot is None or not named:
        return shot
    seats = (
        replace(seat, learner=_learner(named[seat.key], accounts))
        if seat.learner is None and seat.key in named
        else seat
        for seat in shot.seats
    )
    return replace(shot, seats=tuple(seats))


def _learner(named: SeatAssignment, accounts: Mapping[str, Learner]) -> Learner:
    typed = Learner("", named.first_name, named.last_name, named.email)
    account = accounts.get(named.email)
    # An account with another address than the one typed could change hands unseen, and its seat with it.
    if account is None or clean(account.email).casefold() != clean(named.email).casefold():
        return typed
    if account.first_name or account.last_name:
        return account
    return replace(account, first_name=typed.first_name, last_name=typed.last_name)
