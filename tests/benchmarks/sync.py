"""How many queries one sync of an order with ten seats costs, beside those of the order source."""

from __future__ import annotations

import os

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import receivers
from elevate_integration.models import OrderMark, Registration
from elevate_integration.sync import sync_order
from tests.benchmarks import fill
from tests.benchmarks.report import Line, at_most
from tests.benchmarks.source import BatchSource
from tests.plainshop.models import Invoice, Item

_TRANSACTION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK")
_LIMIT = 6


def _sell(seats: int) -> Invoice:
    invoice = Invoice.objects.create(issued=timezone.now())
    _add(invoice, 0, seats)
    return invoice


def _add(invoice: Invoice, first: int, seats: int) -> None:
    for number in range(first, first + seats):
        Item.objects.create(
            invoice=invoice, course="ETHICS", person_id=f"M-{invoice.pk}-{number}", first_name="Ada",
            last_name="Sample", email=f"m{invoice.pk}-{number}@example.org", price="120.00",
        )  # fmt: skip


def _mark(invoice: Invoice) -> None:
    OrderMark.objects.create(order_ref=str(invoice.pk), due_at=timezone.now())


def _count(invoice: Invoice, trigger: str = "mark") -> tuple[int, int, int]:
    """Give our queries, the statements that begin or end a transaction, and the rows of ours that were written."""
    BatchSource.own = 0
    # The worker lists the marks of twenty orders with one query.
    marks = OrderMark.objects.filter(order_ref=str(invoice.pk)).values_list("pk", flat=True)
    seen = list(marks) if trigger == "mark" else None
    with transaction.atomic():
        before = _rows_written()
        with CaptureQueriesContext(connection) as captured:
            result = sync_order(invoice.pk, trigger=trigger, seen=seen)
        writes = _rows_written() - before
    assert not result.error, result.error
    texts = [query["sql"].lstrip().upper() for query in captured]
    frame = sum(text.startswith(_TRANSACTION) for text in texts)
    if os.environ.get("BENCH_LOUD"):
        print(*(text[:180] for text in texts), "", sep="\n")
    return len(texts) - frame - BatchSource.own, frame, writes


def _rows_written() -> int:
    """Give how many rows of ours this transaction has inserted, changed or deleted so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(SUM(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables "
            "WHERE relname LIKE 'elevate_integration_%'"
        )
        return int(cursor.fetchone()[0])


def _line(what: str, queries: int, frame: int) -> Line:
    note = f"{frame} more begin or end the transaction; the source's own are left out"
    return at_most("sync", what, queries, _LIMIT, "{:.0f} queries", note=note)


def run(*, small: bool) -> list[Line]:
    """Sync an order of ten seats: new, with one new seat, and unchanged."""
    fill.empty()
    receivers.disconnect()
    sync_order(_sell(1).pk, trigger="staff")
    invoice = _sell(10)
    _mark(invoice)
    found = [_line("10 new seats", *_count(invoice)[:2])]
    _add(invoice, 10, 1)
    _mark(invoice)
    found.append(_line("1 new seat beside 10 registrations", *_count(invoice)[:2]))
    one = _sell(1)
    _mark(one)
    found.append(_line("1 new seat, new order", *_count(one)[:2]))
    queries, frame, writes = _count(invoice, trigger="staff")
    found.append(_line("nothing changed, 11 registrations", queries, frame))
    found.append(at_most("sync", "rows written when nothing changed, no mark", writes, 0, "{:.0f}"))
    _mark(invoice)
    queries, frame, writes = _count(invoice)
    found.append(at_most("sync", "rows written when nothing changed: the mark goes", writes, 1, "{:.0f}"))
    assert Registration.objects.count() == 13
    return found
