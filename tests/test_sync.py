"""From one order's truth to the wish: what is made, held, given up and left alone, and what bad input gets."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.clock import database_now
from elevate_integration.delivery import queue, settling
from elevate_integration.delivery.sender import prepare
from elevate_integration.delivery.sweep import sweep
from elevate_integration.lifecycle import Outcome
from elevate_integration.marks import order_changed
from elevate_integration.models import (
    Attempt,
    DeliveryState,
    OrderMark,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
)
from elevate_integration.sync import preview, sync_order
from tests.plainshop.models import Invoice, Item
from tests.plainshop.source import PlainSource
from tests.postgresql import only_postgresql

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patient(elevate, settings):
    """What failed for a while stays away for a while, so that delivering once comes to an end."""
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 60.0, "RETRY_CEILING": 600.0}


def statuses() -> list[str]:
    return list(Registration.objects.order_by("pk").values_list("status", flat=True))


def only() -> Registration:
    return Registration.objects.get()


def sync(invoice: Invoice, **options):
    return sync_order(invoice.pk, trigger="staff", **options)


def mark_ids(invoice: Invoice) -> list[int]:
    OrderMark.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return list(OrderMark.objects.filter(order_ref=str(invoice.pk)).values_list("pk", flat=True))


# Bad input: the seat is held, the others go on.


@pytest.mark.parametrize(
    ("person", "problem"),
    [
        ({"email": ""}, "no_email"),
        ({"person_id": ""}, "no_user_id"),
        ({"first_name": "", "last_name": ""}, "no_name"),
        ({"person_id": "", "first_name": "", "last_name": "", "email": ""}, "no_learner"),
        ({"person_id": "9" * 300}, "too_long"),
    ],
)
def test_a_seat_without_what_elevate_needs_is_held_and_goes_out_once_completed(
    sell, deliver, elevate, person, problem
):
    invoice = sell(**person)
    Item.objects.create(
        invoice=invoice, course="LAW", person_id="M-2", first_name="Ben", email="ben@example.org"
    )
    deliver()
    assert statuses() == ["held", "registered"]
    assert Registration.objects.first().problems == problem
    assert len(elevate.calls) == 1
    item = invoice.items.first()
    item.person_id, item.first_name, item.last_name, item.email = "M-1", "Ada", "Sample", "ada@example.org"
    item.save()
    deliver()
    assert statuses() == ["registered", "registered"]
    assert Registration.objects.first().problems == ""


@pytest.mark.parametrize(
    "amount", [Decimal("NaN"), Decimal("-1"), 120.0, Decimal("1.005"), None, "12", Decimal("1E+40")], ids=repr
)
def test_a_seat_with_a_bad_amount_is_held_and_goes_out_once_mended(sell, deliver, elevate, plainshop, amount):
    invoice = sell("ETHICS", "LAW")
    plainshop.amounts = {invoice.items.first().pk: amount}
    deliver()
    assert statuses() == ["held", "registered"]
    assert Registration.objects.first().problems == "bad_amount"
    plainshop.amounts = {}
    invoice.save()
    deliver()
    assert statuses() == ["registered", "registered"]


@pytest.mark.parametrize("name", ["Żółć", "יוסף", "𠮷野家 👩‍🚀", "x" * 300])
def test_names_reach_elevate_as_they_were_typed(sell, deliver, elevate, name):
    sell(first_name=name, last_name="")
    deliver()
    (path_and_fields,) = elevate.calls
    assert path_and_fields[1]["firstname"] == name
    assert path_and_fields[1]["lastname"] == ""


def test_a_title_that_no_database_takes_is_cleaned(sell, deliver, plainshop, monkeypatch):
    seat_of = plainshop._seat

    def with_bad_title(self, item, paid):
        return replace(seat_of(self, item, paid), title="No\x00t\ud800 mapped" * 100)

    monkeypatch.setattr(plainshop, "_seat", with_bad_title)
    sell("BOOK", "ETHICS")
    deliver()
    assert statuses() == ["registered"]
    assert UnmappedSale.objects.get().product_title.startswith("Not mapped")


def test_a_held_seat_that_is_read_again_still_says_why(sell, deliver, elevate):
    sell()
    deliver()
    other = sell(person_id="M-9")
    deliver()
    other.save()
    deliver()
    row = Registration.objects.get(order_ref=str(other.pk))
    assert (row.status, row.problems) == ("held", "same_email")
    assert len(elevate.calls) == 1


def test_a_held_seat_that_is_read_again_is_not_written_again(sell, deliver, plainshop):
    invoice = sell(email="")
    deliver()
    assert not sync(invoice).writes


def test_the_same_address_under_a_new_id_is_held_also_when_the_id_comes_later(sell, deliver, elevate):
    sell()
    deliver()
    other = sell(person_id="")
    deliver()
    item = other.items.get()
    item.person_id = "M-9"
    item.save()
    deliver()
    row = Registration.objects.get(order_ref=str(other.pk))
    assert (row.status, row.problems) == ("held", "same_email")
    assert len(elevate.calls) == 1


def test_the_same_address_under_a_new_id_is_held_also_when_it_replaces_an_unsent_one(sell, deliver, elevate):
    sell()
    deliver()
    other = sell(person_id="M-2", email="ben@example.org")
    sync(other)
    item = other.items.get()
    item.person_id, item.email = "M-9", "ada@example.org"
    item.save()
    deliver()
    row = Registration.objects.get(order_ref=str(other.pk))
    assert (row.status, row.problems) == ("held", "same_email")


def test_an_identity_that_a_person_checked_is_held_no_more(sell, deliver, elevate):
    sell()
    deliver()
    other = sell(person_id="M-9")
    deliver()
    staff.retry([Registration.objects.get(order_ref=str(other.pk)).pk], actor="eve")
    other.save()
    deliver()
    assert statuses() == ["registered", "registered"]


# Nothing is cancelled by accident.


def test_a_source_that_raises_cancels_nothing_and_keeps_the_mark(sell, deliver, elevate, plainshop):
    invoice = sell()
    deliver()
    invoice.state = "refunded"
    invoice.save()
    plainshop.broken = ValueError("the shop's own bug \x00 \ud800")
    deliver()
    assert statuses() == ["registered"]
    tracked = TrackedOrder.objects.get()
    assert tracked.last_error.startswith("ValueError")
    assert tracked.failed_at is not None
    assert OrderMark.objects.exists()
    plainshop.broken = None
    OrderMark.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    deliver()
    assert statuses() == ["cancelled"]
    tracked.refresh_from_db()
    assert (tracked.last_error, tracked.failures, tracked.failed_at) == ("", 0, None)


def test_an_order_that_cannot_be_read_waits_longer_each_time_and_holds_up_no_other(
    sell, deliver, plainshop, monkeypatch
):
    broken = sell()
    whole = plainshop.snapshot

    def snapshot(self, ref):
        if ref == str(broken.pk):
            raise RuntimeError("broken order")
        return whole(self, ref)

    monkeypatch.setattr(plainshop, "snapshot", snapshot)
    sell(person_id="M-2", email="ben@example.org")
    deliver()
    assert statuses() == ["registered"]
    first = OrderMark.objects.latest("due_at").due_at
    OrderMark.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    deliver()
    assert OrderMark.objects.latest("due_at").due_at > first


@pytest.mark.parametrize("change", [{"active": False}, {"remote_product_id": "OTHER"}, {"product_key": "x"}])
def test_a_mapping_that_is_changed_cancels_nothing(sell, deliver, elevate, change):
    invoice = sell()
    deliver()
    ProductMapping.objects.filter(product_key="course:ETHICS").update(**change)
    for _ in range(3):
        invoice.save()
        deliver()
    assert statuses() == ["registered"]
    assert len(elevate.calls) == 1


def test_a_product_that_is_renamed_in_the_host_cancels_nothing(sell, deliver, elevate):
    invoice = sell()
    deliver()
    Item.objects.update(course="ETHICS-2")
    for _ in range(3):
        invoice.save()
        deliver()
    assert statuses() == ["registered"]


def test_lines_that_are_deleted_and_written_anew_cancel_nothing(sell, deliver, elevate):
    invoice = sell("ETHICS", "LAW")
    deliver()
    with transaction.atomic():
        invoice.items.all().delete()
        for course in ("LAW", "ETHICS"):
            Item.objects.create(
                invoice=invoice, course=course, person_id="M-1", first_name="Ada", email="ada@example.org"
            )
    deliver()
    deliver()
    assert statuses() == ["registered", "registered"]
    assert len(elevate.calls) == 2


def test_an_identity_setting_that_changes_cancels_nothing(sell, deliver, elevate):
    invoice = sell()
    deliver()
    Item.objects.update(person_id="sso-0001")
    for _ in range(3):
        invoice.save()
        deliver()
    row = only()
    assert (row.status, row.remote_user_id, row.other_user_id) == ("registered", "M-1", "sso-0001")
    assert len(elevate.calls) == 1


@pytest.mark.parametrize("gone", ["order", "line"])
def test_what_is_missing_counts_only_on_a_second_reading(sell, elevate, settings, deliver, gone):
    invoice = sell()
    deliver()
    settings.ELEVATE = {**settings.ELEVATE, "CANCEL_GRACE": 600.0}
    (invoice if gone == "order" else invoice.items.get()).delete()
    ref = Registration.objects.get().order_ref
    for _ in range(3):
        sync_order(ref, trigger="staff")
    assert statuses() == ["registered"]
    assert only().missing
    settings.ELEVATE = {**settings.ELEVATE, "CANCEL_GRACE": 0.0}
    OrderMark.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    deliver()
    assert statuses() == ["cancelled"]


def test_a_seat_that_comes_back_before_the_second_reading_is_not_missed(sell, deliver, settings, elevate):
    invoice = sell()
    deliver()
    settings.ELEVATE = {**settings.ELEVATE, "CANCEL_GRACE": 600.0}
    item = invoice.items.get()
    Item.objects.all().delete()
    sync(invoice)
    item.save(force_insert=True)
    sync(invoice)
    row = only()
    assert (row.missing, row.unwanted_at, row.status) == (False, None, "registered")


def test_a_clock_that_went_back_after_a_refund_was_read_does_not_hold_its_cancel_back(
    sell, deliver, settings, elevate
):
    settings.ELEVATE = {**settings.ELEVATE, "CANCEL_GRACE": 600.0}
    invoice = sell("ETHICS")
    deliver()
    invoice.state = "refunded"
    invoice.save()
    sync(invoice)
    Registration.objects.update(unwanted_at=timezone.now() + timedelta(days=1))
    sync(invoice)
    deliver()
    assert (only().status, len(elevate.live())) == ("cancelling", 1), "the grace begins anew"
    Registration.objects.update(unwanted_at=only().unwanted_at - timedelta(seconds=600))
    sync(invoice)
    deliver()
    assert (only().status, elevate.live()) == ("cancelled", [])


def test_a_refund_is_cancelled_only_after_a_second_reading(sell, deliver, settings, elevate):
    invoice = sell()
    deliver()
    settings.ELEVATE = {**settings.ELEVATE, "CANCEL_GRACE": 600.0}
    Invoice.objects.update(state="refunded")
    sync(invoice)
    sync(invoice)
    row = only()
    assert (row.status, row.due_at, row.confirmed) == ("cancelling", None, False)
    Invoice.objects.update(state="paid")
    sync(invoice)
    assert statuses() == ["registered"]
    deliver()
    assert len(elevate.calls) == 1


# The brake.


def test_a_misspelt_paid_status_is_stopped_by_the_brake(sell, deliver, elevate):
    invoices = [sell(person_id=f"M-{n}", email=f"p{n}@example.org") for n in range(25)]
    deliver()
    Invoice.objects.update(state="payed")
    for invoice in invoices:
        invoice.refresh_from_db()
        invoice.save()
    deliver()
    assert statuses().count("cancelled") == 20
    assert Registration.objects.parked().count() == 5
    assert "20 cancels" in DeliveryState.objects.get().alarm
    Invoice.objects.update(state="paid")
    for invoice in invoices:
        invoice.refresh_from_db()
        invoice.save()
    deliver()
    assert set(statuses()) == {"registered"}
    assert len(elevate.live()) == 25


def test_the_brake_counts_a_second_cancel_of_the_same_registration(sell, deliver, elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "CANCELS_PER_HOUR": 1}
    invoice, other = sell(), sell(person_id="M-2", email="ben@example.org")
    deliver()
    for state in ("refunded", "paid"):
        invoice.state = state
        invoice.save()
        deliver()
    Registration.objects.update(braked_at=timezone.now() - timedelta(hours=2))
    for one in (other, invoice):
        one.state = "refunded"
        one.save()
        deliver()
    assert statuses() == ["cancelling", "cancelled"]
    assert Registration.objects.parked().count() == 1


def test_parked_cancels_go_out_when_a_person_lets_them_go(sell, deliver, elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "CANCELS_PER_HOUR": 0}
    invoice = sell()
    deliver()
    invoice.state = "refunded"
    invoice.save()
    deliver()
    assert Registration.objects.parked().count() == 1
    staff.let_go([only().pk], actor="eve")
    deliver()
    assert statuses() == ["cancelled"]


# Nothing is registered by accident.


def test_a_shop_full_of_old_orders_registers_none_of_them(plainshop, deliver, elevate):
    long_ago = timezone.now() - timedelta(days=3000)
    invoices = Invoice.objects.bulk_create([Invoice(state="paid", issued=long_ago) for _ in range(300)])
    Item.objects.bulk_create(
        Item(
            invoice=invoice,
            course="ETHICS",
            person_id=f"M-{n}",
            first_name="Ada",
            email=f"p{n}@example.org",
        )
        for n, invoice in enumerate(Invoice.objects.all())
    )
    sweep()
    for invoice in Invoice.objects.all()[:20]:
        invoice.save()
    deliver()
    assert len(invoices) == 300
    assert not Registration.objects.exists()
    assert not UnmappedSale.objects.exists()
    assert not elevate.calls


def test_without_a_go_live_date_nothing_is_registered(sell, deliver, elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": None}
    sell()
    deliver()
    assert not Registration.objects.exists()


def test_a_capped_sync_never_makes_half_a_bundle(sell, plainshop):
    ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="WORKBOOK")
    invoice = sell("LAW", "ETHICS")
    result = sync(invoice, room=2)
    assert (result.created, result.withheld) == (1, 2)
    result = sync(invoice, room=2)
    assert (result.created, result.withheld) == (2, 0)


# Staff decisions outlive syncs.


def test_a_registration_that_staff_cancelled_stays_cancelled(sell, deliver, elevate):
    invoice = sell()
    deliver()
    staff.cancel([only().pk], actor="eve")
    deliver()
    assert statuses() == ["cancelled"]
    for _ in range(3):
        invoice.save()
        deliver()
        staff.resync([invoice.pk], actor="eve")
        sweep()
        deliver()
    assert statuses() == ["cancelled"]
    assert not elevate.live()


def test_a_seat_that_is_bought_again_revives_what_staff_cancelled(sell, deliver, elevate):
    invoice = sell()
    deliver()
    staff.cancel([only().pk], actor="eve")
    deliver()
    for state in ("refunded", "paid"):
        invoice.state = state
        invoice.save()
        deliver()
    assert statuses() == ["registered"]


def test_a_refund_of_part_is_remembered_until_the_money_is_back(
    sell, deliver, elevate, admin_client, plainshop
):
    """Elevate cannot be told of another amount, so a person is; nothing is sent, the learner stays registered."""
    invoice = sell()
    deliver()
    item = invoice.items.get()
    pages = [
        "/admin/elevate_integration/registration/",
        f"/admin/elevate_integration/registration/{only().pk}/change/",
    ]
    hint = "Partly refunded: the store now shows 80.00 instead of 120.00."

    def hinted() -> set[bool]:
        return {hint in admin_client.get(page).content.decode() for page in pages}

    for price, now, shown in (("80.00", Decimal(80), True), ("120.00", None, False)):
        item.price = price
        item.save()
        deliver()
        row = only()
        assert (row.status, row.amount_paid, row.amount_now) == ("registered", Decimal(120), now)
        assert hinted() == {shown}
    assert len(elevate.calls) == 1


def test_what_staff_typed_into_a_cancellation_is_what_elevate_gets(sell, deliver, elevate):
    sell()
    deliver()
    staff.cancel([only().pk], actor="eve", explanation="She asked us.", notify=True, email="eve@example.org")
    deliver()
    fields = elevate.registrations[0].cancel_fields
    assert fields["cancellation_explanation"] == "She asked us."
    assert fields["cancellations_email"] == "eve@example.org"
    assert fields["notify_cancelled_user"] is True


# Covered.


def test_a_refund_during_the_call_does_not_take_what_another_order_gives(sell, elevate, deliver):
    first = sell()
    sync(first)
    (claimed,) = queue.claim(1)
    second = sell()
    sync(second)
    Invoice.objects.filter(pk=first.pk).update(state="refunded")
    sync(first)
    sync(first)
    settling.settle_all([queue.Result(claimed, Outcome.DONE, registration_id="7")])
    deliver()
    assert statuses() == ["covered", "registered"]
    assert not [path for path, _ in elevate.calls if "cancel" in path]


def test_nobody_covers_a_seat_without_a_learner(sell, deliver, plainshop):
    first, second = sell(person_id="", email=""), sell(person_id="", email="")
    deliver()
    first.state = "refunded"
    first.save()
    deliver()
    assert statuses() == ["withdrawn", "held"]
    assert second.pk


# Several at once.


def test_an_older_snapshot_never_wins(sell, plainshop, monkeypatch):
    """Whoever reads the order holds its row, so a later reader waits and reads the newer truth."""
    if not connection.features.has_select_for_update:
        pytest.skip("SQLite lets one writer in at a time: nothing can come between")
    invoice = sell()
    reading, may_go_on = threading.Event(), threading.Event()
    read = plainshop.snapshot

    def slow(self, ref):
        found = read(self, ref)
        if threading.current_thread().name == "slow":
            reading.set()
            may_go_on.wait(10)
        return found

    monkeypatch.setattr(plainshop, "snapshot", slow)

    def in_thread():
        sync(invoice)
        connections.close_all()

    slow_thread = threading.Thread(target=in_thread, name="slow")
    slow_thread.start()
    assert reading.wait(10)
    Invoice.objects.update(state="refunded")
    fast_thread = threading.Thread(target=in_thread, name="fast")
    fast_thread.start()
    assert sync_order(invoice.pk, trigger="mark").skipped, "a mark leaves an order alone that is being read"
    may_go_on.set()
    slow_thread.join(10)
    fast_thread.join(10)
    assert statuses() == ["withdrawn"]


def test_many_syncs_at_once_make_one_registration_per_seat(sell, plainshop):
    invoice = sell("ETHICS", "LAW")
    start = threading.Barrier(4)
    errors = []

    def in_thread():
        start.wait(10)
        errors.append(sync(invoice).error)
        connections.close_all()

    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == [""] * 4
    assert statuses() == ["pending", "pending"]


def test_a_mark_that_comes_while_an_order_is_read_is_kept(sell, plainshop, monkeypatch):
    invoice = sell()
    read = plainshop.snapshot

    def marked_meanwhile(self, ref):
        found = read(self, ref)
        OrderMark.objects.create(order_ref=ref, due_at=timezone.now() - timedelta(hours=1))
        return found

    monkeypatch.setattr(plainshop, "snapshot", marked_meanwhile)
    sync_order(invoice.pk)
    assert OrderMark.objects.count() == 1


def test_a_mark_without_an_order_to_read_is_gone_after_one_sync(plainshop, deliver):
    OrderMark.objects.create(order_ref="999999", due_at=timezone.now() - timedelta(seconds=1))
    deliver()
    assert not OrderMark.objects.exists()
    assert not Registration.objects.exists()


# What it costs.


def test_syncing_an_order_that_is_in_step_writes_nothing(sell, deliver, django_assert_max_num_queries):
    invoice = sell("ETHICS", "LAW")
    deliver()
    with django_assert_max_num_queries(9):
        assert not sync(invoice).writes
    before = TrackedOrder.objects.values().get(), list(Registration.objects.values())
    with CaptureQueriesContext(connection) as asked:
        sync(invoice)
    writes = [query["sql"] for query in asked if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    if connection.features.has_select_for_update:
        assert writes == []
    assert (TrackedOrder.objects.values().get(), list(Registration.objects.values())) == before


@pytest.mark.parametrize("held", [0, 9])
def test_an_order_of_ten_seats_takes_six_queries_besides_the_sources(sell, deliver, held):
    invoice = sell(*["ETHICS"] * max(held, 1))
    if held:
        deliver()
    Item.objects.bulk_create(
        Item(invoice=invoice, course="LAW", person_id=f"M-{n}", first_name="Ada", email=f"m{n}@example.org")
        for n in range(10 - max(held, 1))
    )
    order_changed(invoice.pk)
    seen = mark_ids(invoice)
    with CaptureQueriesContext(connection) as asked:
        assert sync_order(invoice.pk, seen=seen).created == 10 - held
    ours = [query["sql"] for query in asked if "elevate_integration_" in query["sql"]]
    # The others lock and take the marks step by step; MySQL and MariaDB also read the neighbours in two steps.
    assert len(ours) <= (6 if connection.vendor == "postgresql" else 8)
    assert not OrderMark.objects.exists()


@pytest.mark.parametrize(
    ("other", "asked"),
    [
        ({"person_id": "M-2", "email": "ben@example.org"}, False),
        ({"person_id": "M-1", "email": "ben@example.org"}, True),
        ({"person_id": "M-2", "email": "ADA@example.org"}, True),
    ],
    ids=["a stranger", "the same member", "the same address"],
)
def test_what_other_orders_hold_is_read_only_where_a_learner_is_known(sell, other, asked):
    sync(sell())
    order = sell("LAW", **other)
    with CaptureQueriesContext(connection) as queries:
        assert sync(order).created == 1
    table = Registration._meta.db_table
    reading = f"SELECT {connection.ops.quote_name(table)}"
    assert any(query["sql"].startswith(reading) for query in queries) == asked


def test_marks_that_another_worker_has_read_meanwhile_are_not_read_again(sell):
    invoice = sell("ETHICS")
    seen = mark_ids(invoice)
    assert sync_order(invoice.pk, seen=seen).created == 1
    assert sync_order(invoice.pk, seen=seen).skipped
    assert Registration.objects.count() == 1


def test_an_order_that_was_told_of_is_read_for_the_marks_that_are_due(sell):
    invoice = sell("ETHICS")
    later = marks_later(invoice)
    assert sync_order(invoice.pk).created == 1
    assert list(OrderMark.objects.all()) == [later], "what is due later stays"
    assert sync_order(invoice.pk).skipped


def test_an_order_that_was_told_of_without_a_due_mark_leaves_no_trace(plainshop):
    assert sync_order("1").skipped
    assert not TrackedOrder.objects.exists()


def test_an_order_that_was_told_of_while_it_is_still_being_written_waits(sell):
    invoice = sell("ETHICS")
    later = marks_later(invoice)
    OrderMark.objects.filter(pk=later.pk).update(quiet=True)
    before = OrderMark.objects.count()
    assert sync_order(invoice.pk).skipped
    assert OrderMark.objects.count() == before
    assert sync_order(invoice.pk, trigger="staff").created == 1, "a person who asks does not wait"


def marks_later(invoice) -> OrderMark:
    return OrderMark.objects.create(order_ref=str(invoice.pk), due_at=timezone.now() + timedelta(hours=1))


def test_a_snapshot_that_says_when_the_order_was_placed_is_believed(sell, plainshop, monkeypatch):
    plain = PlainSource.snapshot
    monkeypatch.setattr(
        PlainSource,
        "snapshot",
        lambda self, ref: replace(plain(self, ref), placed_at=datetime(2020, 1, 1, tzinfo=UTC)),
    )
    monkeypatch.setattr(PlainSource, "placed_at", lambda self, ref: pytest.fail("it was told already"))
    assert sync(sell()).created == 0, "an order from before the go-live date"


@only_postgresql
def test_new_registrations_are_claimed_while_they_are_made_as_far_as_there_is_room(sell, elevate):
    invoice = sell("ETHICS", "LAW")
    claims = queue.AtBirth(1)
    assert sync_order(invoice.pk, seen=mark_ids(invoice), claims=claims).created == 2
    (claimed,) = claims.claimed
    row = Registration.objects.get(pk=claimed.row.pk)
    assert (row.claim_token, row.claimed_for, row.site) == (claimed.token, "register", elevate.url)
    assert row.due_at > database_now("default"), "the lease runs"
    assert prepare(claimed).remote_product_id == row.remote_product_id
    (other,) = queue.claim(5)
    assert other.row.pk != row.pk


@only_postgresql
@pytest.mark.parametrize("why", ["paused", "gate"])
def test_nothing_is_claimed_at_birth_while_delivery_waits(sell, why):
    DeliveryState.objects.update_or_create(
        pk=1, defaults={"paused": True} if why == "paused" else {"gate": "key"}
    )
    invoice = sell("ETHICS")
    claims = queue.AtBirth(5)
    assert sync_order(invoice.pk, seen=mark_ids(invoice), claims=claims).created == 1
    assert claims.claimed == []
    assert only().claim_token is None


@only_postgresql
def test_what_is_held_is_not_claimed_at_birth(sell):
    invoice = sell("ETHICS", email="")
    claims = queue.AtBirth(5)
    sync_order(invoice.pk, seen=mark_ids(invoice), claims=claims)
    assert claims.claimed == []
    assert statuses() == ["held"]


def test_an_order_that_the_database_gives_up_again_and_again_is_told_on_its_row_and_claims_nothing(
    sell, plainshop
):
    invoice = sell("ETHICS")
    plainshop.broken = OperationalError("deadlock detected")
    plainshop.snapshots_taken = 0
    claims, seen = queue.AtBirth(5), mark_ids(invoice)
    result = sync_order(invoice.pk, seen=seen, claims=claims)
    assert result.error == "OperationalError: deadlock detected"
    assert plainshop.snapshots_taken == 3
    assert claims.claimed == []
    assert TrackedOrder.objects.get().last_error == result.error
    assert OrderMark.objects.filter(pk__in=seen).count() == len(seen)
    assert sync(invoice).error == result.error, "nor where nobody would claim"


def test_a_seat_sold_before_its_product_was_mapped_waits_until_staff_say_what_becomes_of_it(sell, deliver):
    invoice, left = sell("ART", "ETHICS"), sell("ART", person_id="M-2", email="ben@example.org")
    deliver()
    assert statuses() == ["registered"]
    ProductMapping.objects.create(product_key="course:ART", remote_product_id="LAW5678")
    assert [sync(one).created for one in (invoice, left)] == [0, 0]
    UnmappedSale.objects.filter(order_ref=str(invoice.pk)).update(decision=UnmappedSale.Decision.APPLY)
    UnmappedSale.objects.filter(order_ref=str(left.pk)).update(decision=UnmappedSale.Decision.LEFT)
    assert [sync(one).created for one in (invoice, left)] == [1, 0]
    deliver()
    assert list(Registration.objects.order_by("pk").values_list("order_ref", "remote_product_id")) == [
        (str(invoice.pk), "ABCD1234"),
        (str(invoice.pk), "LAW5678"),
    ]


def test_a_sync_that_was_rolled_back_claimed_nothing(sell, monkeypatch):
    def fail(rows, using):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("elevate_integration.sync.insert", fail)
    invoice = sell("ETHICS")
    claims, seen = queue.AtBirth(5), mark_ids(invoice)
    assert sync_order(invoice.pk, seen=seen, claims=claims).error
    assert claims.claimed == []
    assert OrderMark.objects.filter(pk__in=seen).count() == len(seen), "the marks stay for the next sync"


def test_an_order_whose_own_row_was_lost_keeps_its_registrations(sell, deliver, elevate):
    invoice = sell("ETHICS")
    deliver()
    TrackedOrder.objects.all().delete()
    assert not sync(invoice).writes
    assert statuses() == ["registered"]
    assert len(elevate.calls) == 1


def test_a_preview_writes_nothing(sell, plainshop):
    invoice = sell("ETHICS", "BOOK")
    OrderMark.objects.all().delete()
    (result,) = preview([str(invoice.pk)])
    assert (result.created, result.unmapped) == (1, 1)
    assert not Registration.objects.exists()
    assert not UnmappedSale.objects.exists()


def test_bundles_register_every_product_and_send_the_money_once(sell, deliver, elevate):
    elevate.add_product("WORKBOOK")
    ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="WORKBOOK")
    sell()
    deliver()
    assert {(r.remote_product_id, r.amount_paid) for r in elevate.registrations} == {
        ("ABCD1234", "120.00"),
        ("WORKBOOK", "0.00"),
    }


def test_every_attempt_knows_who_asked(sell, deliver, elevate):
    invoice = sell()
    staff.resync([invoice.pk], actor="eve")
    deliver()
    attempt = Attempt.objects.get()
    assert (attempt.trigger, attempt.actor) == ("staff", "eve")


def test_another_learner_on_an_imported_seat_is_registered_although_the_order_is_older_than_go_live(
    sell, deliver, elevate
):
    invoice = sell()
    deliver()
    Invoice.objects.filter(pk=invoice.pk).update(issued="2020-01-01T00:00:00Z")
    item = invoice.items.get()
    item.person_id, item.email = "M-2", "ben@example.org"
    item.save()
    deliver()
    deliver()
    assert [(held.remote_user_id, held.cancelled) for held in elevate.registrations] == [
        ("M-1", True),
        ("M-2", False),
    ]


def test_access_ends_when_the_order_that_covered_it_goes_to_another_learner_before_it_was_sent(
    sell, deliver, elevate
):
    refunded = sell()
    deliver()
    covering = sell()
    sync_order(covering.pk)
    refunded.state = "refunded"
    refunded.save()
    sync_order(refunded.pk)
    assert Registration.objects.get(order_ref=str(refunded.pk)).status == "covered"
    item = covering.items.get()
    item.person_id, item.email = "M-2", "ben@example.org"
    item.save()
    deliver()
    assert [(held.remote_user_id, held.cancelled) for held in elevate.registrations] == [
        ("M-1", True),
        ("M-2", False),
    ]


def test_a_bundle_whose_mappings_swap_their_products_is_registered_once_for_each(
    plainshop, sell, deliver, elevate
):
    first = ProductMapping.objects.get(product_key="course:ETHICS")
    other = ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="LAW5678")
    invoice = sell()
    sync(invoice)
    for pk, product in ((other.pk, "SWAP"), (first.pk, "LAW5678"), (other.pk, "ABCD1234")):
        ProductMapping.objects.filter(pk=pk).update(remote_product_id=product)
    assert not sync_order(invoice.pk, trigger="staff").error
    deliver()
    assert sorted(held.remote_product_id for held in elevate.registrations) == ["ABCD1234", "LAW5678"]
    assert statuses() == ["registered", "registered"]


@pytest.mark.parametrize("learner", ["M-1", "M-2"])
def test_a_bundle_whose_mappings_follow_each_other_is_registered_for_the_new_products_alone(
    sell, elevate, learner
):
    first = ProductMapping.objects.get(product_key="course:ETHICS")
    second = ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="SECOND")
    invoice = sell()
    sync(invoice)
    ProductMapping.objects.filter(pk=second.pk).update(remote_product_id="THIRD")
    ProductMapping.objects.filter(pk=first.pk).update(remote_product_id="SECOND")
    invoice.items.update(person_id=learner)
    assert not sync(invoice).error
    found = Registration.objects.order_by("pk").values_list("mapping", "remote_product_id", "learner_key")
    assert list(found) == [(first.pk, "SECOND", learner), (second.pk, "THIRD", learner)]


def test_a_bundle_whose_mappings_swap_while_its_learner_changes_has_one_row_for_each_product(sell, elevate):
    first = ProductMapping.objects.get(product_key="course:ETHICS")
    second = ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="SECOND")
    invoice = sell()
    sync(invoice)
    for pk, product in ((second.pk, "THIRD"), (first.pk, "SECOND"), (second.pk, "ABCD1234")):
        ProductMapping.objects.filter(pk=pk).update(remote_product_id=product)
    invoice.items.update(person_id="M-2")
    assert not sync(invoice).error
    found = Registration.objects.order_by("remote_product_id").values_list("remote_product_id", "learner_key")
    assert list(found) == [("ABCD1234", "M-2"), ("SECOND", "M-2")]


@pytest.mark.parametrize("learner", ["M-1", "M-2"])
def test_a_row_keeps_its_product_while_another_one_of_the_seat_has_the_new_one(sell, elevate, learner):
    first = ProductMapping.objects.get(product_key="course:ETHICS")
    second = ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="SECOND")
    invoice = sell()
    sync(invoice)
    ProductMapping.objects.filter(pk=second.pk).update(active=False, remote_product_id="THIRD")
    ProductMapping.objects.filter(pk=first.pk).update(remote_product_id="SECOND")
    invoice.items.update(person_id=learner)
    assert not sync(invoice).error
    found = Registration.objects.order_by("pk").values_list("remote_product_id", "learner_key")
    assert list(found) == [("ABCD1234", learner), ("SECOND", learner)]
