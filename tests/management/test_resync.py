"""`elevate_resync`: counts first, keeps to the caps, reads what no signal told."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import resync
from elevate_integration.delivery.sweep import sweep
from elevate_integration.models import DeliveryState, OrderMark, Registration
from tests.plainshop.models import Invoice, Item

pytestmark = pytest.mark.django_db(transaction=True)


def run(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("elevate_resync", *args, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


@pytest.fixture
def unseen(sell):
    """Paid invoices of which no mark tells."""

    def make(count: int) -> list[Invoice]:
        made = [sell(person_id=f"M-{n}", email=f"m{n}@example.org") for n in range(count)]
        OrderMark.objects.all().delete()
        return made

    return make


def test_a_dry_run_says_what_would_happen_and_writes_nothing(unseen):
    unseen(2)
    assert "Would do: 2 orders read, 2 new registrations, 0 cancels" in run("--all", "--dry-run")
    assert not Registration.objects.exists()


def test_all_orders_are_registered(unseen, deliver, elevate):
    unseen(2)
    assert "Done: 2 orders read, 2 new registrations" in run("--all")
    deliver()
    assert len(elevate.live()) == 2


def test_one_order_is_resynced_alone(unseen):
    first, _second = unseen(2)
    run("--order", str(first.pk))
    assert list(Registration.objects.values_list("order_ref", flat=True)) == [str(first.pk)]


@pytest.mark.parametrize("product", ["course:ETHICS", "ABCD1234"])
def test_the_orders_of_a_product_are_found_by_either_of_its_names(unseen, deliver, product):
    first, second = unseen(2)
    run("--order", str(first.pk))
    deliver()
    Invoice.objects.filter(pk=first.pk).update(state="refunded")
    assert "1 orders read, 0 new registrations, 1 cancels" in run("--product", product)
    assert Registration.objects.get().wanted is False
    assert not Registration.objects.filter(order_ref=str(second.pk)).exists()


def test_a_sale_without_mapping_is_found_by_its_product_key(unseen, sell):
    sell("BOOK")
    run("--all")
    assert "1 orders read" in run("--product", "course:BOOK", "--dry-run")


def test_a_date_leaves_older_orders_out(unseen):
    old, new = unseen(2)
    Invoice.objects.filter(pk=old.pk).update(touched="2025-03-01T00:00:00Z")
    run("--since", "2026-01-01")
    assert list(Registration.objects.values_list("order_ref", flat=True)) == [str(new.pk)]


def test_since_last_begins_with_the_go_live_date_and_needs_one(unseen, settings):
    unseen(1)
    settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": None}
    with pytest.raises(CommandError, match="GO_LIVE is not set"):
        run("--since", "last")


def test_since_last_goes_on_from_where_the_last_one_began(unseen, settings):
    settings.ELEVATE = {**settings.ELEVATE, "SWEEP_OVERLAP": 0.0}
    unseen(2)
    assert "Done: 2 orders read" in run("--since", "last")
    assert "Done: 0 orders read" in run("--since", "last")
    unseen(1)
    assert "Done: 1 orders read" in run("--since", "last")


def test_since_last_that_a_cap_ends_begins_there_again(unseen, settings, monkeypatch):
    settings.ELEVATE = {**settings.ELEVATE, "SWEEP_OVERLAP": 0.0}
    unseen(3)
    counted = resync.Totals(orders=1, new=1)
    monkeypatch.setattr(resync, "count", lambda *args: counted)
    run("--since", "last", "--max-new", "1")
    assert not DeliveryState.objects.exclude(sweep_since=None).exists()
    run("--since", "last", "--max-new", "2")
    assert Registration.objects.count() == 3


def test_a_resync_by_date_moves_nothing(unseen):
    unseen(1)
    run("--since", "2025-06-01")
    assert not DeliveryState.objects.exclude(sweep_since=None).exists()


def by_save(invoice):
    invoice.state = "paid"
    invoice.save()


def by_update(invoice):
    Invoice.objects.filter(pk=invoice.pk).update(state="paid", touched=timezone.now())


def by_bulk_create(invoice):
    made = {"course": "ETHICS", "person_id": "M-2", "first_name": "Eve", "email": "eve@example.org"}
    Item.objects.bulk_create([Item(invoice=invoice, **made)])
    by_update(invoice)


def by_raw_sql(invoice):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE plainshop_invoice SET state = 'paid', touched = CURRENT_TIMESTAMP WHERE id = %s",
            [invoice.pk],
        )


@pytest.mark.parametrize("reread", ["resync", "sweep"])
@pytest.mark.parametrize("write", [by_save, by_update, by_bulk_create, by_raw_sql])
def test_a_payment_is_found_however_it_was_written(sell, deliver, elevate, write, reread):
    invoice = sell(state="open")
    run("--since", "last")
    OrderMark.objects.all().delete()
    write(invoice)
    assert OrderMark.objects.exists() == (write is by_save)
    OrderMark.objects.all().delete()
    if reread == "resync":
        run("--since", "last")
    else:
        sweep()
    deliver()
    assert len(elevate.live()) == (2 if write is by_bulk_create else 1)


def test_a_payment_that_leaves_the_time_of_the_change_alone_is_found_by_all_only(
    sell, deliver, elevate, settings
):
    settings.ELEVATE = {**settings.ELEVATE, "SWEEP_OVERLAP": 0.0}
    invoice = sell(state="open")
    run("--since", "last")
    OrderMark.objects.all().delete()
    Invoice.objects.filter(pk=invoice.pk).update(state="paid")
    run("--since", "last")
    assert not Registration.objects.exists()
    run("--all")
    assert Registration.objects.count() == 1


def test_a_date_that_is_none_is_told():
    with pytest.raises(CommandError, match="is no date"):
        run("--since", "yesterday")


def test_more_new_registrations_than_the_cap_need_an_explicit_number(unseen, settings):
    settings.ELEVATE = {**settings.ELEVATE, "NEW_PER_SWEEP": 2}
    unseen(3)
    with pytest.raises(CommandError, match="--max-new 3"):
        run("--all")
    assert not Registration.objects.exists()
    run("--all", "--max-new", "3")
    assert Registration.objects.count() == 3


def test_more_cancels_than_the_cap_need_an_explicit_number(unseen, deliver, settings):
    settings.ELEVATE = {**settings.ELEVATE, "CANCELS_PER_HOUR": 1}
    unseen(2)
    run("--all")
    deliver()
    Invoice.objects.update(state="refunded")
    with pytest.raises(CommandError, match="--max-cancels 2"):
        run("--all")
    assert Registration.objects.filter(wanted=True).count() == 2


def test_an_order_that_cannot_be_read_is_told_and_spoils_no_other(unseen, plainshop, monkeypatch):
    broken, fine = unseen(2)
    read = plainshop.snapshot

    def snapshot(self: Any, ref: str) -> Any:
        if ref == str(broken.pk):
            raise RuntimeError("no such table")
        return read(self, ref)

    monkeypatch.setattr(plainshop, "snapshot", snapshot)
    with pytest.raises(CommandError, match="1 orders could not be read"):
        run("--all")
    assert list(Registration.objects.values_list("order_ref", flat=True)) == [str(fine.pk)]


def test_unchanged_orders_cost_queries_per_batch_and_not_per_order(sell, deliver, plainshop, monkeypatch):
    for n in range(12):
        sell(person_id=f"M-{n}", email=f"m{n}@example.org")
    deliver()
    monkeypatch.setattr(plainshop, "snapshots", _all_at_once)
    with CaptureQueriesContext(connection) as few:
        resync.count(iter([str(pk) for pk in Invoice.objects.values_list("pk", flat=True)[:2]]))
    with CaptureQueriesContext(connection) as many:
        totals = resync.count(iter([str(pk) for pk in Invoice.objects.values_list("pk", flat=True)]))
    assert totals.orders == 12
    assert len(many) == len(few)


def _all_at_once(self: Any, refs: Any) -> Any:
    from elevate_integration.orders.source import Snapshot

    items: dict[str, list[Item]] = {ref: [] for ref in refs}
    for item in Item.objects.filter(invoice__in=refs):
        items[str(item.invoice_id)].append(item)
    return {
        ref: Snapshot(ref, None, tuple(self._seat(i, True) for i in found)) for ref, found in items.items()
    }


class Terminal(StringIO):
    """Both streams, as a person reads them."""

    def isatty(self) -> bool:
        return True


def test_who_sits_before_a_terminal_sees_how_far_it_is(unseen, monkeypatch):
    monkeypatch.setattr(resync, "batches", lambda refs: ([ref] for ref in refs))
    unseen(2)
    terminal = Terminal()
    call_command("elevate_resync", "--all", stdout=terminal, stderr=terminal, no_color=True)
    counted, told, synced, done, rest = terminal.getvalue().split("\n")
    assert counted == "\r1 orders counted\r2 orders counted"
    assert told.startswith("To do: 2 orders read")
    assert synced == f"\r[{'#' * 15}{'.' * 15}] 1 of 2 orders synced\r[{'#' * 30}] 2 of 2 orders synced"
    assert done.startswith("Done: 2 orders read")
    assert rest == ""
