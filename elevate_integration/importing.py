"""Import of registrations that exist at Elevate already, so that a later refund finds their IDs. Makes no call.

Each row names an order, a product, a learner and the registration ID; the seat is found in the order itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction

from elevate_integration.clock import database_now
from elevate_integration.conf import conf, order_source
from elevate_integration.lifecycle import LIVE, AtElevate, Obstacle
from elevate_integration.models import ProductMapping, Registration, database
from elevate_integration.orders.source import Seat
from elevate_integration.sync import lock_order
from elevate_integration.wishes import clean, details

COLUMNS = ("order_ref", "remote_product_id", "remote_user_id", "registration_id")


@dataclass(frozen=True)
class Imported:
    """What became of one row of the file. error: why it was left out; already: it was known before."""

    line: int
    order_ref: str
    error: str = ""
    already: bool = False


class _LeftOut(Exception):  # noqa: N818
    """A row that cannot be imported, with the reason for staff."""


def import_rows(
    rows: Iterable[Mapping[str, str]], *, dry_run: bool = False, actor: str = ""
) -> Iterator[Imported]:
    """Import row by row; one bad row stops no other. Lines count from 2, below the headers.

    Raises what the order source raises only as that row's error.
    """
    for line, raw in enumerate(rows, start=2):
        row = {name: clean(value) for name, value in raw.items() if isinstance(name, str)}
        ref = row.get("order_ref", "")
        try:
            with transaction.atomic(using=database()):
                already = _import(row, actor)
                if dry_run:
                    transaction.set_rollback(True, using=database())
        except _LeftOut as reason:
            yield Imported(line, ref, error=str(reason))
        except Exception as error:  # noqa: BLE001 - a host's source may raise anything; the line reports it
            yield Imported(line, ref, error=f"The order could not be read: {type(error).__name__}: {error}")
        else:
            yield Imported(line, ref, already=already)


def _import(row: Mapping[str, str], actor: str) -> bool:
    missing = [name for name in COLUMNS if not row.get(name)]
    if missing:
        raise _LeftOut(f"{', '.join(missing)} is empty.")
    if len(row["registration_id"]) > 64:
        raise _LeftOut("The registration ID is longer than 64 characters.")
    using = database()
    lock_order(row["order_ref"])
    rows = Registration.objects.using(using)
    same_id = rows.filter(registration_id=row["registration_id"], at_elevate__in=LIVE).first()
    if same_id is not None:
        if same_id.order_ref == row["order_ref"] and same_id.remote_product_id == row["remote_product_id"]:
            return True
        raise _LeftOut(f"Order {same_id.order_ref} holds this registration ID already.")
    seat, mapping = _seat(row)
    _write(seat, mapping, row, actor)
    return False


def _seat(row: Mapping[str, str]) -> tuple[Seat, ProductMapping]:
    """Find the seat of that product and learner which has no registration at Elevate yet."""
    ref, product, user_id = row["order_ref"], row["remote_product_id"], row["remote_user_id"]
    snapshot = order_source().snapshot(ref)
    if snapshot is None:
        raise _LeftOut("The store has no such order.")
    mappings = ProductMapping.objects.using(database()).filter(remote_product_id=product)
    by_key = {mapping.product_key: mapping for mapping in mappings}
    if not by_key:
        raise _LeftOut("No product is mapped to this Remote Product ID.")
    fits = [
        (seat, by_key[key])
        for seat in snapshot.seats
        for key in seat.product_keys
        if key in by_key and seat.learner is not None and clean(seat.learner.remote_user_id) == user_id
    ]
    if not fits:
        raise _LeftOut("The order has no seat of this product for this learner.")
    active = [(seat, mapping) for seat, mapping in fits if seat.active]
    if not active:
        raise _LeftOut("The seat is refunded or not paid. Cancel it at Elevate by hand.")
    taken = Registration.objects.using(database()).filter(order_ref=ref, remote_product_id=product)
    known = set(taken.exclude(at_elevate=AtElevate.ABSENT).values_list("seat_key", flat=True))
    free = [(seat, mapping) for seat, mapping in active if seat.key not in known]
    if not free:
        raise _LeftOut("The seat has another registration ID, or a call for it is in doubt.")
    return free[0]


def _write(seat: Seat, mapping: ProductMapping, row: Mapping[str, str], actor: str) -> None:
    using = database()
    found = details(seat)
    key = {
        "order_ref": row["order_ref"],
        "seat_key": seat.key,
        "remote_product_id": mapping.remote_product_id,
        "learner_key": found.learner_key,
    }
    made = Registration.objects.using(using).filter(**key).select_for_update().first() or Registration(**key)
    if made.claim_token is not None:
        raise _LeftOut("A call for this seat is open now. Try again in a minute.")
    made.mapping = mapping
    made.remote_user_id, made.firstname, made.lastname = found.remote_user_id, found.firstname, found.lastname
    made.email, made.email_key = found.email, found.email_key
    made.amount_paid, made.product_title = found.amount_paid, found.product_title
    made.wanted, made.seat_active, made.at_elevate = True, True, AtElevate.PRESENT
    made.obstacle, made.problems, made.error_messages, made.due_at = Obstacle.NONE, "", [], None
    made.forgotten_at = None
    made.registration_id, made.id_is_number = row["registration_id"], row["registration_id"].isdigit()
    made.product_url, made.site = row.get("product_url", "")[:500], conf().url
    made.registered_at = made.registered_at or database_now(using)
    made.trigger, made.actor = "import", actor
    made.put(made.state)
    made.save(using=using)
