"""What other orders hold for the people and products of one order: read and locked together. Sync asks; saves nothing.

Two things depend on it: whether an address is known at Elevate under another user ID, and who covers whom.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import Exists, Q

from elevate_integration.lifecycle import LIVE, Obstacle
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.orders.source import Snapshot
from elevate_integration.prepared import Prepared
from elevate_integration.reading import put
from elevate_integration.stand_in import is_stand_in, stand_ins
from elevate_integration.wishes import SAME_EMAIL, details


def asks_for_email(row: Registration) -> bool:
    """Whether nothing of this row has reached Elevate yet, so that its address and user ID still have to agree."""
    untouched = row.wanted and not row.touched and row.obstacle in (Obstacle.NONE, Obstacle.IDENTITY)
    return untouched and bool(row.email_key and row.remote_user_id and not row.identity_checked)


def neighbours(
    asking: Sequence[Registration],
    pairs: Collection[tuple[str, str]],
    held: Sequence[Registration],
    using: str,
    *,
    locking: bool,
) -> list[Registration]:
    """Give what other orders have for the addresses of `asking`, and for these learners and products.

    held: the order's own rows, which are left out. locking: whether the rows are locked.
    """
    addresses = _also_forgotten(row.email_key for row in asking)
    learners = _also_forgotten(learner for learner, _ in pairs)
    products = {product for _, product in pairs}
    own = {row.pk for row in held}
    found: dict[int, Registration] = {}
    if connections[using].vendor == "mysql":
        # One by one: for an OR they may scan the table, and lock all of it on the way.
        asked = [(addresses, set(), set()), (set(), learners, products)]
    else:
        asked = [(addresses, learners, products)]
    for emails, whose, what in asked:
        if not emails and not whose:
            continue
        shape = (locking, bool(emails), bool(whose))
        rows = _NEIGHBOURS(using, shape, emails=emails, learners=whose, products=what)
        found.update((row.pk, row) for row in rows if row.pk not in own)
    return [found[pk] for pk in sorted(found)]


def _ask(
    locking: bool,  # noqa: FBT001 - the shape of a prepared question
    by_email: bool,  # noqa: FBT001
    by_pair: bool,  # noqa: FBT001
    emails: Collection[str],
    learners: Collection[str],
    products: Collection[str],
) -> Any:
    condition = Q()
    if by_email:
        condition |= Q(email_key__in=emails, at_elevate__in=LIVE)
    if by_pair:
        condition |= Q(learner_key__in=learners, remote_product_id__in=products)
    rows = Registration.objects.filter(condition).order_by("pk")
    return rows.select_for_update() if locking else rows


_NEIGHBOURS = Prepared(_ask)


def sold_to(order: Snapshot, using: str) -> tuple[list[ProductMapping], bool] | None:
    """Give the mappings of an order's products and, by the same query, whether any of its learners is known here.

    For orders without registrations: most learners are new, and about them nothing more has to be asked. None where
    that cannot be told at once.
    """
    keys = {key for seat in order.seats for key in seat.product_keys}
    people = [details(seat) for seat in order.seats if seat.active]
    learners = _also_forgotten(one.learner_key for one in people if one.learner_key)
    emails = _also_forgotten(one.email_key for one in people if one.email_key)
    if not (keys and learners and emails):
        return None
    mappings = _SOLD_TO(using, keys=keys, learners=learners, emails=emails)
    return mappings, any(mapping.learner_known or mapping.email_known for mapping in mappings)


_SOLD_TO = Prepared(
    lambda keys, learners, emails: ProductMapping.objects.sold_as(keys).annotate(
        learner_known=Exists(Registration.objects.filter(learner_key__in=learners)),
        email_known=Exists(Registration.objects.filter(email_key__in=emails)),
    )
)


def _also_forgotten(keys: Iterable[str]) -> set[str]:
    return {form for key in keys for form in (key, *stand_ins(key))}


def know_again(rows: Collection[Registration], pairs: Collection[tuple[str, str]]) -> list[Registration]:
    """Give rows that were erased back their learner key in memory, where their learner wants the product again.

    Without it they would not cover each other, and a refund of the one would end the access that the other gives.
    """
    if not any(row.erased for row in rows):
        return []
    learners = {form: learner for learner, _ in pairs for form in stand_ins(learner)}
    taken = {(row.order_ref, row.seat_key, *row.pair) for row in rows}
    known = []
    for row in rows:
        pair = learners.get(row.learner_key, ""), row.remote_product_id
        place = (row.order_ref, row.seat_key, *pair)
        if pair in pairs and place not in taken:
            row.learner_key = pair[0]
            taken.add(place)
            known.append(row)
    return known


def hold_same_email(asking: Iterable[Registration], rows: Iterable[Registration], now: datetime) -> None:
    """Hold a learner whose e-mail address Elevate already knows under another user ID: a person must look."""
    known: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.at_elevate in LIVE:
            known[row.email_key].add(row.remote_user_id)
    forgotten = any(map(is_stand_in, known))
    for row in asking:
        forms = stand_ins(row.email_key) if forgotten else ()
        ids = known[row.email_key].union(*(known[form] for form in forms))
        held = bool(ids) and row.remote_user_id not in ids
        if held == (row.obstacle == Obstacle.IDENTITY):
            continue
        row.obstacle = Obstacle.IDENTITY if held else Obstacle.NONE
        row.problems = SAME_EMAIL if held else ""
        row.due_at = None
        put(row, row.state, now)
