"""`order_changed(ref)`: the one public call behind every signal. One INSERT, and nothing ever reaches the host."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Any

from django.db import DatabaseError, connections, router, transaction

from elevate_integration import observing
from elevate_integration.clock import now_sql
from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger
from elevate_integration.models import OrderMark
from elevate_integration.wake import wake

logger = get_logger(__name__)

# How far back the memo "already marked in this transaction" looks. A miss costs one more mark, nothing else.
_MEMO_REACH = 200
_ASIDE = "elevate_mark"


class _WakeAfterCommit:
    """Wakes delivery after the commit; while it is registered, its order needs no second mark.

    Django drops it together with the `atomic` block in which it was registered, and so the memo is right. Savepoints
    that a host opens and rolls back by hand are unknown to Django here: the sweep finds such an order.
    """

    def __init__(self, order_ref: str) -> None:
        self.order_ref = order_ref

    def __call__(self) -> None:
        wake(self.order_ref)


def order_changed(order_ref: Any, *, using: str | None = None) -> None:
    """Say that an order has to be looked at again.

    order_ref: the order's reference, as the order source understands it.
    using: the database alias in which the host wrote; the mark is as durable as that transaction.
    Never raises: what goes wrong is logged with the order, and the sweep repairs it.
    """
    try:
        with observing.step("capture", order_ref=str(order_ref)):
            _mark(str(order_ref), using)
    except Exception:
        logger.exception(
            "Order %s could not be marked; the next sweep will look at it.",
            order_ref,
            extra=event("elevate.order.not_marked", order_ref=str(order_ref)),
        )


def _mark(order_ref: str, using: str | None) -> None:
    ours = router.db_for_write(OrderMark)
    theirs = using or ours
    host = connections[theirs]
    if _already_marked(host, order_ref):
        return
    if theirs != ours:
        transaction.on_commit(partial(_insert_later, order_ref, ours), using=theirs, robust=True)
        return
    if not host.in_atomic_block:
        insert(order_ref, using=ours, seconds=conf().quiet_time, quiet=True)
        wake()
        return
    _insert_aside(order_ref, ours)
    transaction.on_commit(_WakeAfterCommit(order_ref), using=ours, robust=True)


def _insert_aside(order_ref: str, using: str) -> None:
    """Write a mark inside a savepoint, so that a mark that fails leaves the host's transaction as it was."""
    connection: Any = connections[using]
    if connection.vendor != "postgresql" or connection.settings_dict["OPTIONS"].get("server_side_binding"):
        with transaction.atomic(using=using):
            insert(order_ref, using=using)
        return
    # One round trip instead of three: the checkout waits for it.
    statement, parameters = _insertion(order_ref, connection)
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SAVEPOINT {_ASIDE}; {statement}; RELEASE SAVEPOINT {_ASIDE}", parameters)
        except DatabaseError:
            cursor.execute(f"ROLLBACK TO SAVEPOINT {_ASIDE}; RELEASE SAVEPOINT {_ASIDE}")
            raise


def _insert_later(order_ref: str, ours: str) -> None:
    try:
        insert(order_ref, using=ours)
    except Exception:
        logger.exception(
            "Order %s could not be marked; the next sweep will look at it.",
            order_ref,
            extra=event("elevate.order.not_marked", order_ref=str(order_ref)),
        )
        return
    wake(order_ref)


def _already_marked(connection: Any, order_ref: str) -> bool:
    if not connection.in_atomic_block:
        return False
    recent = islice(reversed(connection.run_on_commit), _MEMO_REACH)
    return any(isinstance(entry[1], _WakeAfterCommit) and entry[1].order_ref == order_ref for entry in recent)


def insert(order_ref: str, *, using: str, seconds: float = 0.0, quiet: bool = False) -> None:
    """Write one mark, due `seconds` from now. Raises what the database raises."""
    connection = connections[using]
    statement, parameters = _insertion(order_ref, connection, seconds=seconds, quiet=quiet)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def ask_for_details(rows: Iterable[Any], using: str) -> None:
    """Have the orders read of registrations that are wanted again although their details were forgotten."""
    for ref in {row.order_ref for row in rows if row.misses_details}:
        insert(ref, using=using)


def _insertion(
    order_ref: str, connection: Any, *, seconds: float = 0.0, quiet: bool = False
) -> tuple[str, list[Any]]:
    quote = connection.ops.quote_name
    table, columns = OrderMark._meta.db_table, ", ".join(quote(c) for c in ("order_ref", "due_at", "quiet"))
    due = now_sql(connection, seconds).replace("%", "%%")
    return f"INSERT INTO {quote(table)} ({columns}) VALUES (%s, {due}, %s)", [order_ref, quiet]  # noqa: S608
