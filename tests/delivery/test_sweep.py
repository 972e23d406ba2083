"""The sweep: what no signal told, a cap on what it makes, and turns among what is held or live."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from elevate_integration.delivery.sweep import batches, sweep, sweep_if_due
from elevate_integration.models import DeliveryState, OrderMark, Registration, TrackedOrder
from tests.plainshop.models import Invoice, Item

pytestmark = pytest.mark.django_db(transaction=True)


def forget_marks() -> None:
    OrderMark.objects.all().delete()


def test_a_bulk_insert_that_sends_no_signal_is_found(plainshop, deliver, elevate):
    invoice = Invoice.objects.bulk_create([Invoice(state="paid", issued=timezone.now())])[0]
    invoice = Invoice.objects.get()
    Item.objects.bulk_create(
        [Item(invoice=invoice, course="ETHICS", person_id="M-1", first_name="Ada", email="ada@example.org")]
    )
    assert not OrderMark.objects.exists()
    assert sweep().created == 1
    deliver()
    assert len(elevate.live()) == 1


def test_an_update_that_sends_no_signal_and_touches_nothing_is_found_in_rotation(sell, deliver, elevate):
    sell()
    deliver()
    long_ago = timezone.now() - timedelta(days=5)
    Invoice.objects.update(state="refunded", touched=long_ago)
    DeliveryState.objects.update_or_create(pk=1, defaults={"sweep_since": timezone.now()})
    assert sweep().cancelled == 1
    deliver()
    assert not elevate.live()


def test_the_rotation_takes_turns(sell, deliver, settings, plainshop):
    for number in range(5):
        sell(person_id=f"M-{number}", email=f"p{number}@example.org")
    deliver()
    settings.ELEVATE = {**settings.ELEVATE, "SWEEP_BATCH": 2}
    DeliveryState.objects.update_or_create(pk=1, defaults={"sweep_since": timezone.now() + timedelta(days=1)})
    settings.ELEVATE = {**settings.ELEVATE, "SWEEP_OVERLAP": 0.0}
    positions = []
    for _ in range(4):
        DeliveryState.objects.update(sweep_since=timezone.now() + timedelta(days=1))
        sweep()
        positions.append(DeliveryState.objects.get().sweep_position)
    first = Registration.objects.order_by("pk").first().pk
    assert positions == [first + 1, first + 3, 0, first + 1]


def test_a_sweep_makes_no_more_than_its_cap_and_raises_an_alarm(sell, settings, deliver, elevate):
    settings.ELEVATE = {**settings.ELEVATE, "NEW_PER_SWEEP": 3}
    for number in range(5):
        sell(person_id=f"M-{number}", email=f"p{number}@example.org")
    forget_marks()
    swept = sweep()
    assert (swept.created, swept.withheld) == (3, 2)
    assert "more than 3 registrations" in DeliveryState.objects.get().alarm
    assert Registration.objects.count() == 3


def test_one_order_that_cannot_be_read_spoils_only_itself(sell, plainshop, monkeypatch):
    bad, good = sell(), sell(person_id="M-2", email="ben@example.org")
    forget_marks()
    read = plainshop.snapshot

    def snapshot(self, ref):
        if ref == str(bad.pk):
            raise RuntimeError("broken order")
        return read(self, ref)

    monkeypatch.setattr(plainshop, "snapshot", snapshot)
    swept = sweep()
    assert (swept.created, swept.errors) == (1, 1)
    assert Registration.objects.get().order_ref == str(good.pk)


def test_a_source_that_cannot_list_its_orders_is_asked_again_for_the_same_time(
    sell, plainshop, monkeypatch, deliver
):
    sweep()
    since = DeliveryState.objects.get().sweep_since

    def fail(self, since):
        raise RuntimeError("a bug of the host")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(plainshop, "recent", fail)
        assert sweep().errors == 1
    assert DeliveryState.objects.get().sweep_since == since


def test_a_sweep_whose_database_goes_away_is_made_again_for_the_same_time(sell, plainshop, monkeypatch):
    sweep()
    since = DeliveryState.objects.get().sweep_since

    def away(self, since):
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(plainshop, "recent", away)
        with pytest.raises(OperationalError):
            sweep()
    assert DeliveryState.objects.get().sweep_since == since


def test_a_sweep_looks_back_a_little_before_the_last_one(sell, plainshop, settings):
    settings.ELEVATE = {**settings.ELEVATE, "SWEEP_OVERLAP": 900.0}
    sweep()
    sell()
    forget_marks()
    Invoice.objects.update(touched=timezone.now() - timedelta(seconds=600))
    assert sweep().created == 1


def test_a_sweep_runs_when_its_time_has_come_and_by_one_worker_only(plainshop):
    assert sweep_if_due() is not None
    assert sweep_if_due() is None
    DeliveryState.objects.update(sweep_due_at=timezone.now() - timedelta(seconds=1))
    assert sweep_if_due() is not None


def test_a_sweep_of_orders_that_are_in_step_writes_nothing(sell, deliver, plainshop):
    sell()
    deliver()
    before = Registration.objects.get().updated_at
    swept = sweep()
    assert (swept.orders >= 1, swept.created, swept.cancelled) == (True, 0, 0)
    assert Registration.objects.get().updated_at == before


def test_a_stream_is_cut_into_batches():
    assert list(batches(iter("abcde"), 2)) == [["a", "b"], ["c", "d"], ["e"]]


def test_an_order_that_a_sweep_cannot_read_tells_staff_so_on_its_own_row(sell, plainshop):
    invoice = sell()
    forget_marks()
    plainshop.broken = RuntimeError("shop is closed")
    assert sweep().errors == 1
    assert TrackedOrder.objects.get(order_ref=str(invoice.pk)).last_error == "RuntimeError: shop is closed"


def test_a_database_that_is_away_for_a_moment_costs_a_sweep_no_order(sell, plainshop, monkeypatch):
    sell()
    forget_marks()
    read = plainshop.snapshot
    failures = iter([OperationalError("gone"), OperationalError("gone")])

    def snapshot(self, ref):
        for failure in failures:
            raise failure
        return read(self, ref)

    monkeypatch.setattr(plainshop, "snapshot", snapshot)
    assert sweep().created == 1
