"""The host's signals: who is heard, who is not, and that nothing of ours reaches the checkout."""

from __future__ import annotations

import gc
import json

import pytest
from django.core import serializers
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal
from django.test import override_settings
from django.utils import timezone

from elevate_integration import receivers
from elevate_integration.delivery.sweep import sweep
from elevate_integration.models import OrderMark, Registration
from elevate_integration.orders.source import Watch
from tests.plainshop.models import Invoice, Item
from tests.plainshop.source import PlainSource

pytestmark = pytest.mark.django_db(transaction=True)

refunded = Signal()


class BrokenSource(PlainSource):
    """Its `watches` raise."""

    def watches(self):
        raise RuntimeError("a bug of the host")


class NamelessSource(PlainSource):
    """It cannot name the order of anything."""

    def watches(self):
        yield Watch(post_save, "plainshop.Invoice", lambda instance, **_: instance.no_such_field)


class OwnSignalSource(PlainSource):
    """It watches a signal of the host's own, from any sender."""

    def watches(self):
        yield Watch(refunded, None, lambda order, **_: str(order))


def use(settings, name: str) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "ORDER_SOURCE": f"tests.test_receivers.{name}"}
    receivers.connect()


def new_invoice(state="paid") -> Invoice:
    return Invoice.objects.create(state=state, issued=timezone.now())


def test_saving_and_deleting_orders_and_lines_marks_the_order(plainshop):
    invoice = new_invoice()
    item = Item.objects.create(invoice=invoice, course="ETHICS")
    assert OrderMark.objects.count() == 2
    item.delete()
    assert OrderMark.objects.count() == 3
    ref = str(invoice.pk)
    invoice.delete()
    assert set(OrderMark.objects.values_list("order_ref", flat=True)) == {ref}
    assert OrderMark.objects.count() == 4


def test_saving_an_open_cart_costs_no_query(plainshop, django_assert_num_queries):
    cart = new_invoice("cart")
    with django_assert_num_queries(1):
        cart.save()
    assert not OrderMark.objects.exists()


def test_a_receiver_reads_nothing_of_the_order(plainshop):
    Item.objects.create(invoice=new_invoice(), course="ETHICS")
    assert plainshop.snapshots_taken == 0


def test_loading_a_fixture_marks_nothing(plainshop, tmp_path):
    invoice = new_invoice()
    data = serializers.serialize("json", [invoice])
    OrderMark.objects.all().delete()
    assert json.loads(data)
    for loaded in serializers.deserialize("json", data):
        loaded.save()
    assert not OrderMark.objects.exists()


@override_settings(DEBUG=False)
def test_receivers_are_still_heard_when_nobody_else_holds_them(plainshop):
    receivers.connect()
    gc.collect()
    new_invoice()
    assert OrderMark.objects.exists()


def test_connecting_again_hears_everything_once(plainshop):
    receivers.connect()
    receivers.connect()
    new_invoice()
    assert OrderMark.objects.count() == 1


def test_disconnected_receivers_hear_nothing(plainshop):
    receivers.disconnect()
    new_invoice()
    assert not OrderMark.objects.exists()
    assert not [r for r in post_delete.receivers if "elevate_integration" in str(r[0][0])]


def test_a_proxy_of_a_watched_model_is_heard(plainshop):
    ProxyInvoice.objects.create(state="paid", issued=timezone.now())
    assert OrderMark.objects.count() == 1


def test_a_signal_of_the_hosts_own_is_heard_from_any_sender(plainshop, settings):
    use(settings, "OwnSignalSource")
    refunded.send(sender=object(), order=17)
    assert list(OrderMark.objects.values_list("order_ref", flat=True)) == ["17"]


@pytest.mark.parametrize("name", ["BrokenSource", "NoSuchSource"])
def test_a_source_that_cannot_be_used_is_logged_and_the_host_starts(plainshop, settings, caplog, name):
    use(settings, name)
    assert "run `manage.py check`" in caplog.text
    new_invoice()
    assert not OrderMark.objects.exists()


def test_a_source_that_cannot_name_the_order_lets_the_checkout_through(
    plainshop, settings, sell, deliver, caplog
):
    use(settings, "NamelessSource")
    sell()
    assert "could not name the order" in caplog.text
    assert not OrderMark.objects.exists()
    sweep()
    deliver()
    assert Registration.objects.get().status == "registered", "the sweep repairs it"


class ProxyInvoice(Invoice):
    """What another app of the host calls an invoice."""

    class Meta:
        app_label = "plainshop"
        proxy = True
