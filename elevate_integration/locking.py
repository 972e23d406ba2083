"""The order's own row: whoever syncs an order holds it. All SQL that locks an order is here.

The marks that a sync answers go with the lock, before the order is read: one that comes later stays for the next sync.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connections
from django.db.models.constants import OnConflict

from elevate_integration.clock import DatabaseNow, now_sql, read_now
from elevate_integration.models import DeliveryState, OrderMark, Registration, TrackedOrder, UnmappedSale
from elevate_integration.plans import planned_once
from elevate_integration.prepared import Prepared


@dataclass(frozen=True)
class Locked:
    """An order whose row is locked, and what is known of it, so that nothing is asked in vain.

    now: the database's time. has_rows, has_sales: whether there can be registrations and unmapped sales of it.
    marks: how many of the marks to be answered were there. in_trouble: whether its last sync failed.
    open: whether calls to Elevate may go out now; False where that was not asked.
    """

    now: datetime
    has_rows: bool = True
    has_sales: bool = True
    marks: int = 0
    in_trouble: bool = False
    open: bool = False


def write_first(using: str) -> None:
    """Begin a transaction as a writer where rows cannot be locked (SQLite): a reader could not turn into one."""
    if not connections[using].features.has_select_for_update:
        DeliveryState.objects.using(using).filter(pk=0).update(paused=False)


def lock(ref: str, using: str, *, skip: bool = False, marks: Collection[int] | None = ()) -> Locked | None:
    """Lock an order's row for the rest of the transaction, made if need be, and take its marks away.

    skip: leave alone an order that another process holds, where the database can, and one without a mark to be
    answered, where that can be told; None is given then.
    marks: the marks to be answered, as they were listed before; None for those that are due.
    """
    if marks is None and connections[using].vendor != "postgresql":
        # Listed, and deleted by what was listed: a DELETE may see more than the order's reading does.
        marks = [pk for (pk,) in _DUE(using, (skip,), ref=ref)]
        if skip and not marks:
            return None
    if connections[using].vendor == "postgresql":
        locked = _at_once(ref, using, skip=skip, marks=marks)
        if locked is None and not skip:
            # Another process has made the row while we waited; now it can be seen.
            locked = _at_once(ref, using, skip=skip, marks=marks)
        return locked
    locked = _step_by_step(ref, using, skip=skip)
    if locked is None or not marks:
        return locked
    return replace(locked, marks=OrderMark.objects.using(using).filter(pk__in=marks).delete()[0])


def _at_once(ref: str, using: str, *, skip: bool, marks: Collection[int] | None) -> Locked | None:
    connection = connections[using]
    with planned_once(connection), connection.cursor() as cursor:
        cursor.execute(_statement(using, skip, marks is None), {"ref": ref, "marks": list(marks or ())})
        told = cursor.fetchone()
    if told is None:
        return None
    now, is_new, failed, rows, sales, gone, is_open = told
    # Whoever waited for the row reads what the one before him wrote by a statement of its own.
    return Locked(now, rows or not is_new, sales or not (is_new or skip), gone, failed, is_open)


@cache
def _statement(using: str, skip: bool, all_due: bool) -> str:  # noqa: FBT001
    connection: Any = connections[using]
    orders, marks, rows, sales, state = (
        connection.ops.quote_name(model._meta.db_table)
        for model in (TrackedOrder, OrderMark, Registration, UnmappedSale, DeliveryState)
    )
    now = now_sql(connection)
    which = f"order_ref = %(ref)s AND due_at <= {now}" if all_due else "id = ANY(%(marks)s)"
    if skip and all_due:
        # An order that is being written bit by bit is not read yet.
        which += (
            f" AND NOT EXISTS (SELECT FROM {marks} WHERE order_ref = %(ref)s AND quiet AND due_at > {now})"
        )
    return f"""
        WITH due AS (
            SELECT id FROM {marks} WHERE {which}
        ), held AS (
            SELECT first_synced_at IS NULL OR last_error <> '' AS failed
            FROM {orders} WHERE order_ref = %(ref)s FOR UPDATE {"SKIP LOCKED" if skip else ""}
        ), made AS (
            INSERT INTO {orders} (order_ref, first_synced_at, last_error, failures)
            SELECT %(ref)s, {now}, '', 0
            WHERE NOT EXISTS (SELECT FROM held) {"AND EXISTS (SELECT FROM due)" if skip else ""}
            ON CONFLICT DO NOTHING RETURNING false AS failed
        ), locked AS (
            SELECT false AS is_new, failed FROM held UNION ALL SELECT true, failed FROM made
        ), gone AS (
            DELETE FROM {marks} WHERE id IN (SELECT id FROM due) AND EXISTS (SELECT FROM locked) RETURNING id
        )
        SELECT {now}, is_new, failed,
            EXISTS (SELECT FROM {rows} WHERE order_ref = %(ref)s),
            EXISTS (SELECT FROM {sales} WHERE order_ref = %(ref)s),
            (SELECT count(*) FROM gone),
            NOT EXISTS (SELECT FROM {state} WHERE id = 1 AND (paused OR gate <> ''))
        FROM locked
    """  # noqa: S608


def _step_by_step(ref: str, using: str, *, skip: bool) -> Locked | None:
    features = connections[using].features
    skip = skip and features.has_select_for_update_skip_locked
    if not features.has_select_for_update:
        # SQLite: a write comes first, so that the transaction never has to turn from reader to writer.
        return _insert(ref, using) or _read(ref, using, skip=False)
    found = _read(ref, using, skip=skip)
    if found is not None:
        return found
    if skip and TrackedOrder.objects.using(using).filter(order_ref=ref).exists():
        # MySQL and MariaDB: an INSERT that comes too late waits for whoever holds the row.
        return None
    return _insert(ref, using) or _read(ref, using, skip=skip)


_DUE = Prepared(
    lambda skip, ref: (
        (OrderMark.objects.due().settled_down() if skip else OrderMark.objects.due())
        .filter(order_ref=ref)
        .values_list("pk")
    )
)
_ORDER = Prepared(
    lambda skip, ref: (
        TrackedOrder.objects.filter(order_ref=ref)
        .select_for_update(skip_locked=skip)
        .values_list(DatabaseNow(), "last_error", "first_synced_at")
    )
)


def _read(ref: str, using: str, *, skip: bool) -> Locked | None:
    for now, last_error, first_synced_at in _ORDER(using, (skip,), ref=ref):
        return Locked(now, in_trouble=bool(last_error) or first_synced_at is None)
    return None


def _insert(ref: str, using: str) -> Locked | None:
    """Make the order's row, and so lock it; None when it is there already."""
    connection: Any = connections[using]
    ops = connection.ops
    meta: Any = TrackedOrder._meta
    conflict = OnConflict.IGNORE
    now = now_sql(connection).replace("%", "%%")
    values = {"order_ref": "%s", "first_synced_at": now, "last_error": "''", "failures": "0"}
    fields = [meta.get_field(name) for name in values]
    columns = ", ".join(ops.quote_name(field.column) for field in fields)
    exists = ", ".join(
        f"EXISTS (SELECT 1 FROM {ops.quote_name(model._meta.db_table)} WHERE order_ref = %s)"  # noqa: S608
        for model in (Registration, UnmappedSale)
    )
    statement = (
        f"{ops.insert_statement(on_conflict=conflict)} {ops.quote_name(meta.db_table)} ({columns}) "
        f"VALUES ({', '.join(values.values())}) {ops.on_conflict_suffix_sql(fields, conflict, [], [])}"
    )
    with connection.cursor() as cursor:
        if connection.features.can_return_columns_from_insert:
            cursor.execute(f"{statement} RETURNING {now}, {exists}", [ref, ref, ref])
            told = cursor.fetchone()
        else:
            cursor.execute(statement, [ref])
            made = cursor.rowcount
            if made:
                cursor.execute(f"SELECT {now}, {exists}", [ref, ref])
            told = cursor.fetchone() if made else None
    if told is None:
        return None
    return Locked(read_now(connection, told[0]), has_rows=bool(told[1]), has_sales=bool(told[2]))
