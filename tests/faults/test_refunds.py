"""A refund, or a new purchase, that comes while Elevate is being called. The states in between are in `test_lifecycle`."""

from __future__ import annotations

import pytest

from elevate_integration import staff
from elevate_integration.models import Registration
from tests.faults.answers import SETTINGS, running_worker
from tests.faults.clocks import Doorkeeper
from tests.faults.count import at_rest, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patient(plainshop, settings):
    settings.ELEVATE = {**settings.ELEVATE, **SETTINGS, "READ_TIMEOUT": 30.0, "CALL_DEADLINE": 40.0}


def change(invoice, state: str) -> None:
    invoice.state = state
    invoice.save()


def statuses() -> dict[str, int]:
    return Registration.objects.by_status()


def test_a_refund_while_the_registration_is_being_called_for_ends_cancelled(sell, elevate):
    door = Doorkeeper(elevate)
    invoice = sell()
    with running_worker():
        wait_until(lambda: elevate.open_calls, what="the registration is called for")
        change(invoice, "refunded")
        wait_until(lambda: not Registration.objects.get().wanted, what="the refund is read")
        assert statuses() == {"unconfirmed": 1}
        door.may_go_on.set()
        wait_until(at_rest, what="everything is delivered")
    assert statuses() == {"cancelled": 1}
    assert [held.cancelled for held in elevate.registrations] == [True]


def test_a_refund_of_what_is_unconfirmed_registers_nothing_more_and_waits_for_the_office(
    sell, elevate, settings
):
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    elevate.fail("reset_after_storing")
    invoice = sell()
    with running_worker():
        wait_until(lambda: statuses() == {"unconfirmed": 1} and at_rest(), what="the answer is lost")
        change(invoice, "refunded")
        wait_until(lambda: not Registration.objects.get().wanted and at_rest(), what="the refund is read")
        assert statuses() == {"unconfirmed": 1}
        assert len(elevate.calls) == 1
        row = Registration.objects.get()
        assert staff.mark_registered(row.pk, str(elevate.live()[0].registration_id), actor="eve").done
        wait_until(lambda: statuses() == {"cancelled": 1}, what="it is cancelled")
    assert [held.cancelled for held in elevate.registrations] == [True]


def test_a_refund_while_the_one_repeat_is_open_ends_cancelled(sell, elevate):
    elevate.fail("reset_before_reading")
    door = Doorkeeper(elevate)
    invoice = sell()
    with running_worker():
        wait_until(lambda: elevate.open_calls and len(elevate.calls) == 2, what="the repeat is open")
        change(invoice, "refunded")
        wait_until(lambda: not Registration.objects.get().wanted, what="the refund is read")
        door.may_go_on.set()
        wait_until(at_rest, what="everything is delivered")
    assert statuses() == {"cancelled": 1}
    assert [held.cancelled for held in elevate.registrations] == [True]


def test_a_purchase_while_the_cancel_is_open_ends_registered(sell, elevate):
    invoice = sell()
    with running_worker():
        wait_until(lambda: statuses() == {"registered": 1}, what="it is registered")
        door = Doorkeeper(elevate)
        change(invoice, "refunded")
        wait_until(lambda: elevate.open_calls, what="the cancel is called for")
        change(invoice, "paid")
        wait_until(lambda: Registration.objects.get().wanted, what="the purchase is read")
        door.may_go_on.set()
        wait_until(lambda: statuses() == {"registered": 1} and at_rest(), what="everything is delivered")
    assert [held.cancelled for held in elevate.registrations] == [True, False]
    assert Registration.objects.get().registration_id == str(elevate.live()[0].registration_id)


def test_a_refund_while_a_cancel_of_the_same_order_is_open_cancels_once(sell, elevate):
    invoice = sell()
    with running_worker():
        wait_until(lambda: statuses() == {"registered": 1}, what="it is registered")
        door = Doorkeeper(elevate)
        change(invoice, "refunded")
        wait_until(lambda: elevate.open_calls, what="the cancel is called for")
        change(invoice, "cancelled")
        wait_until(lambda: elevate.open_calls == 1, what="no second call goes out")
        door.may_go_on.set()
        wait_until(at_rest, what="everything is delivered")
    assert statuses() == {"cancelled": 1}
    assert len(elevate.calls) == 2
