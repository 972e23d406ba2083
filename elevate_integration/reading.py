"""What an order says about one registration, written to its row in memory. Asks and saves nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from elevate_integration.conf import conf
from elevate_integration.lifecycle import AtElevate, Obstacle, State, wish
from elevate_integration.models import Registration
from elevate_integration.wishes import Details, Reading, Wanting


def make(ref: str, wanting: Wanting, now: datetime, *, trigger: str, actor: str) -> Registration:
    """Make the row of a new registration, due at once unless something is missing."""
    row = Registration(
        order_ref=ref,
        seat_key=wanting.seat_key,
        mapping_id=wanting.mapping_id,
        remote_product_id=wanting.remote_product_id,
        trigger=trigger,
        actor=actor,
        created_at=now,
        updated_at=now,
    )
    take_details(row, wanting.details)
    put(row, row.state, now)
    return row


def take_details(row: Registration, found: Details) -> None:
    """Take over what will be sent, and hold the row while it cannot be sent. What was forgotten is known again."""
    row.forgotten_at = None
    row.learner_key = found.learner_key
    row.remote_user_id = found.remote_user_id
    row.firstname, row.lastname = found.firstname, found.lastname
    row.email, row.email_key = found.email, found.email_key
    row.amount_paid, row.amount_now = found.amount_paid, None
    row.product_title = found.product_title
    problems = ",".join(found.problems)
    if problems or row.obstacle != Obstacle.IDENTITY:
        row.problems = problems
    if problems:
        row.obstacle = Obstacle.INCOMPLETE
    elif row.obstacle == Obstacle.INCOMPLETE:
        row.obstacle = Obstacle.NONE


def stays_forgotten(row: Registration, reading: Reading) -> bool:
    """Whether an order that is read again must not bring back what was forgotten.

    It may where the learner is wanted at Elevate anew: the seat is paid for again, or a person said so.
    """
    wanted_anew = row.wanted or (reading.active and not row.seat_active)
    return row.forgotten_at is not None and not wanted_anew


def put(row: Registration, state: State, now: datetime) -> None:
    """Take over a state and say when the next call is due. An open call keeps its lease; settle goes on from there."""
    row.put(state)
    if row.claim_token is not None:
        return
    if row.forgotten_at is not None:
        state = row.state
    if state.next_operation is None:
        row.due_at = None
    elif row.due_at is None:
        row.due_at = now


def needs_second_read(row: Registration) -> bool:
    """Whether the order has to be read once more before anything is taken away."""
    gone = row.missing and row.wanted
    open_cancel = not row.wanted and not row.confirmed and row.touched and row.at_elevate != AtElevate.ABSENT
    in_flight = not row.wanted and not row.confirmed and row.claim_token is not None
    return gone or open_cancel or in_flight


def read_wish(row: Registration, reading: Reading, now: datetime) -> State:
    """Turn what the order says into a wish. Only a change of the order changes it: staff decisions outlive syncs."""
    state = row.state
    if row.unwanted_at is not None and row.unwanted_at > now:
        # The database's clock went back: the grace begins anew, or it would last until the clock has caught up.
        row.unwanted_at = now
    grace_over = row.unwanted_at is not None and now >= row.unwanted_at + timedelta(
        seconds=conf().cancel_grace
    )
    if reading.missing and not row.missing:
        row.missing = True
        row.unwanted_at = row.unwanted_at or now
        return state
    if reading.missing and row.seat_active and not grace_over:
        return state
    twice_missing = reading.missing and row.seat_active
    if not reading.missing and row.missing:
        row.missing = False
        if row.wanted:
            row.unwanted_at = None
    already_unwanted = not row.wanted
    if reading.active != row.seat_active:
        row.seat_active = reading.active
        if reading.active:
            row.staff_cancelled, row.cancel_details, row.brake_released = False, None, False
        state = wish(state, wanted=reading.active)
        if not already_unwanted or reading.active:
            row.unwanted_at = None if reading.active else now
    if not state.wanted and grace_over and (already_unwanted or twice_missing) and row.touched:
        state = replace(state, confirmed=True)
    return state
