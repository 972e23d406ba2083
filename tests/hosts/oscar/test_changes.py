"""What happens to an order afterwards: statuses, refunds, deletions, and changes that no signal tells."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone
from oscar.apps.checkout.signals import post_checkout
from oscar.apps.order.processing import EventHandler
from oscar.apps.order.signals import order_line_status_changed, order_placed, order_status_changed
from oscar.core.loading import get_model

from elevate_integration.delivery.sweep import sweep
from elevate_integration.models import OrderMark, ProductMapping, Registration
from tests.hosts.oscar import shop

pytestmark = pytest.mark.django_db


def statuses() -> list[str]:
    return list(Registration.objects.order_by("seat_key").values_list("status", flat=True))


@pytest.fixture
def paid(ethics, deliver):
    """A paid order of a member with five places, delivered."""
    order = shop.place(ethics, user=shop.member(), quantity=5)
    shop.pay(order)
    deliver()
    assert statuses() == ["registered", "held", "held", "held", "held"]
    return order


@pytest.fixture
def two(ethics, deliver, elevate):
    """A paid order of a member with two courses, 200 in all, both registered."""
    ProductMapping.objects.create(product_key="sku:LAW", remote_product_id="LAW5678")
    order = shop.place(ethics, shop.course("LAW", "Law", "100.00"), user=shop.member())
    shop.pay(order)
    deliver()
    assert len(elevate.live()) == 2
    return order


@pytest.fixture
def office(db):
    """The shop's staff, logged in."""
    return shop.visitor(shop.member(email="office@example.org", is_staff=True, is_superuser=True))


def test_staff_mark_an_invoice_order_as_paid_in_the_dashboard(
    requests_atomic, ethics, office, deliver, elevate
):
    order = shop.place(ethics, user=shop.member())
    deliver()
    assert not elevate.calls
    shop.set_status(office, order, "Being processed")
    deliver()
    assert statuses() == ["registered"]
    shop.set_status(office, order, "Complete")
    deliver()
    assert statuses() == ["registered"]
    assert len(elevate.calls) == 1


def test_staff_cancel_a_paid_order_in_the_dashboard(requests_atomic, two, office, deliver, elevate):
    shop.set_status(office, two, "Cancelled")
    deliver()
    assert statuses() == ["cancelled", "cancelled"]
    assert not elevate.live()


def test_staff_cancel_one_line_in_the_dashboard(requests_atomic, two, office, deliver, elevate):
    line = two.lines.get(partner_sku="LAW")
    page = reverse("dashboard:order-detail", kwargs={"number": two.number})
    data = {"line_action": "change_line_statuses", "selected_line": line.pk, "new_status": "Cancelled"}
    office.post(page, {**data, f"selected_line_qty_{line.pk}": 1})
    line.refresh_from_db()
    assert line.status == "Cancelled"
    deliver()
    assert [r.remote_product_id for r in elevate.live()] == ["ABCD1234"]


def test_a_status_set_by_the_event_handler_is_seen(two, deliver, elevate):
    EventHandler().handle_order_status_change(two, "Cancelled")
    deliver()
    assert not elevate.live()


def test_a_refund_of_twenty_of_two_hundred_cancels_nothing(two, deliver, elevate):
    two.sources.get().refund(20)
    assert OrderMark.objects.exists()
    deliver()
    assert len(elevate.live()) == 2
    assert statuses() == ["registered", "registered"]


def test_a_refund_of_everything_cancels_everything(two, deliver, elevate):
    source = two.sources.get()
    source.refund(20)
    source.refund(180)
    deliver()
    assert statuses() == ["cancelled", "cancelled"]
    assert not elevate.live()


def test_the_same_refund_written_down_twice_counts_once(two, deliver, elevate):
    two.sources.get().refund(100)
    shop.refund(two, "100.00")
    deliver()
    assert len(elevate.live()) == 2


def test_a_refund_event_for_the_whole_sum_cancels_everything(two, deliver, elevate):
    shop.refund(two, "200.00", name="refunded")
    deliver()
    assert not elevate.live()


def test_a_refund_that_staff_enter_in_the_dashboard_cancels(two, office, deliver, elevate):
    kind = get_model("order", "PaymentEventType").objects.create(name="Refund")
    page = reverse("dashboard:order-detail", kwargs={"number": two.number})
    act = {"order_action": "create_order_payment_event", "payment_event_type": kind.code}
    office.post(page, {**act, "amount": "20.00"})
    deliver()
    assert len(elevate.live()) == 2
    office.post(page, {**act, "amount": "180.00"})
    deliver()
    assert not elevate.live()


def test_a_refund_event_of_one_line_cancels_that_line(two, deliver, elevate):
    shop.refund(two, "100.00", (two.lines.get(partner_sku="ETHICS"), 1))
    deliver()
    assert [r.remote_product_id for r in elevate.live()] == ["LAW5678"]


def test_a_refund_event_for_two_of_five_gives_up_the_last_two_places(paid, deliver, elevate):
    shop.refund(paid, "200.00", (paid.lines.get(), 2))
    deliver()
    assert statuses() == ["registered", "held", "held", "withdrawn", "withdrawn"]
    shop.refund(paid, "300.00", (paid.lines.get(), 3))
    deliver()
    assert statuses() == ["cancelled", *["withdrawn"] * 4]
    assert not elevate.live()


def test_an_event_that_is_no_refund_changes_nothing(paid, deliver, elevate):
    shop.refund(paid, "500.00", (paid.lines.get(), 5), name="Settled")
    deliver()
    assert len(elevate.live()) == 1


def test_a_refund_event_taken_back_revives_the_place(two, deliver, elevate):
    event = shop.refund(two, "100.00", (two.lines.get(partner_sku="LAW"), 1))
    deliver()
    assert len(elevate.live()) == 1
    event.delete()
    deliver()
    assert len(elevate.live()) == 2


def test_paid_again_after_a_refund_registers_anew(two, deliver, elevate):
    two.sources.get().refund(200)
    deliver()
    shop.pay(two)
    deliver()
    assert len(elevate.live()) == 2
    assert len(elevate.registrations) == 4


def test_a_deleted_product_takes_nothing_from_anybody(two, ethics, deliver, elevate):
    ethics.delete()
    assert two.lines.get(partner_sku="ETHICS").product_id is None
    two.save()
    deliver()
    assert statuses() == ["registered", "registered"]
    two.sources.get().refund(200)
    deliver()
    assert not elevate.live()


def test_a_deleted_account_takes_nothing_from_its_owner(two, deliver, elevate):
    two.user.delete()
    two.refresh_from_db()
    assert (two.user, two.email) == (None, "")
    two.save()
    deliver()
    assert statuses() == ["registered", "registered"]


def test_a_deleted_order_is_cancelled(two, deliver, elevate):
    two.delete()
    deliver()
    assert statuses() == ["cancelled", "cancelled"]


def test_an_update_that_cancels_is_found_by_a_sweep_however_old_the_order(two, deliver, elevate):
    long_ago = timezone.now() - timedelta(days=300)
    type(two).objects.filter(pk=two.pk).update(status="Cancelled", date_placed=long_ago)
    assert not OrderMark.objects.exists()
    # The second sweep is past the go-live date and the days that are looked back: the rotation reads the order.
    sweep()
    sweep()
    deliver()
    assert statuses() == ["cancelled", "cancelled"]
    assert not elevate.live()


def test_an_update_that_pays_is_found_by_a_sweep(ethics, deliver, elevate):
    order = shop.place(ethics, user=shop.member())
    deliver()
    sweep()
    type(order).objects.filter(pk=order.pk).update(
        status="Complete", date_placed=timezone.now() - timedelta(days=6)
    )
    assert not OrderMark.objects.exists()
    sweep()
    deliver()
    assert statuses() == ["registered"]


def test_lines_written_in_bulk_are_found_by_a_sweep(two, deliver, elevate):
    line = two.lines.get(partner_sku="LAW")
    line.pk = None
    type(line).objects.bulk_create([line])
    assert not OrderMark.objects.exists()
    sweep()
    deliver()
    assert Registration.objects.count() == 3


def test_oscars_own_signals_mark_although_their_senders_are_instances_and_views(two):
    facts = {"old_status": "Pending", "new_status": "Cancelled"}
    line = two.lines.first()
    for signal, given in (
        (order_placed, {"order": two, "user": two.user}),
        (order_status_changed, {"order": two, **facts}),
        (order_line_status_changed, {"line": line, **facts}),
        (post_checkout, {"order": two, "user": two.user, "request": None, "response": None}),
    ):
        OrderMark.objects.all().delete()
        signal.send(sender=object(), **given)
        assert [mark.order_ref for mark in OrderMark.objects.all()] == [str(two.pk)]


def test_no_receiver_reads_the_order(two, source, django_assert_num_queries):
    """Each row is read afresh, so that nothing is cached, and every watch of its model is asked."""
    shop.refund(two, "10.00", (two.lines.first(), 1))
    asked = 0
    for watch in source.watches():
        if watch.sender is None:
            continue
        instance = apps.get_model(watch.sender).objects.first()
        if instance is None:
            assert watch.sender == "order.LineAttribute"
            continue
        with django_assert_num_queries(0):
            assert watch.order_ref(instance=instance, sender=None, signal=watch.signal) in (str(two.pk), "")
        asked += 1
    assert asked == 12
