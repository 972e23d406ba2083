"""Event registrations, from the site's own form to the fake Elevate and back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from tendenci.apps.events.models import RegConfPricing, Registrant
from tendenci.apps.invoices.models import Invoice
from tendenci.apps.payments.models import Payment

from elevate_integration.delivery.sweep import sweep
from elevate_integration.models import OrderMark, TrackedOrder
from elevate_integration.models import Registration as Row
from tests.hosts.tendenci.site import ADA, BEN, person, put_setting


def rows() -> list[tuple[str, str]]:
    return list(Row.objects.order_by("pk").values_list("email", "status"))


def live(elevate) -> list[str]:
    return sorted(held.email for held in elevate.live())


@pytest.fixture
def paid_pair(site, deliver):
    """Ada booked for Ben and herself, a check came, both are registered."""
    booked = site.book(site.event, ADA, BEN)
    site.pay(booked.invoice)
    deliver()
    booked.refresh_from_db()
    return booked


@pytest.fixture
def by_card(site, deliver):
    """The same, paid by card: Stripe's view works in one transaction, and its payments can be refunded."""
    put_setting("site", "global", "merchantaccount", "stripe")
    put_setting("module", "events", "allow_refunds", "Yes")
    booked = site.book(site.event, ADA, BEN)
    with transaction.atomic():
        site.pay_by_card(booked.invoice)
    deliver()
    return Invoice.objects.get(pk=booked.invoice_id)


def refund(site, invoice, amount):
    answer = SimpleNamespace(id="re_1", status="succeeded")
    with patch("stripe.Refund.create", return_value=answer):
        invoice.refund(Decimal(amount), site.office)


def test_a_booked_seat_is_registered_once_its_check_has_come(site, deliver, elevate):
    booked = site.book(site.event, ADA)
    deliver()
    assert booked.invoice.is_tendered
    assert not elevate.calls
    site.pay(booked.invoice)
    assert not Payment.objects.get().is_paid
    deliver()
    (held,) = elevate.registrations
    assert held.remote_user_id == str(User.objects.get(username="ada").pk)
    assert (held.remote_product_id, held.email) == ("ABCD1234", "ada@example.org")
    assert held.amount_paid == "120.00"
    assert not OrderMark.objects.exists()


def test_half_a_payment_registers_nobody(site, deliver, elevate):
    booked = site.book(site.event, ADA)
    site.pay(booked.invoice, "60.00")
    deliver()
    assert not elevate.calls
    site.pay(Invoice.objects.get(pk=booked.invoice_id), "60.00")
    deliver()
    assert live(elevate) == ["ada@example.org"]


def test_the_registrant_is_the_learner_whoever_pays(site, deliver, elevate):
    booked = site.book(site.event, BEN, by="ada")
    site.pay(booked.invoice)
    deliver()
    (held,) = elevate.registrations
    assert (held.remote_user_id, held.firstname) == (str(User.objects.get(username="ben").pk), "Ben")


def test_a_card_payment_goes_out_after_its_transaction_and_not_from_one_rolled_back(site, deliver, elevate):
    put_setting("site", "global", "merchantaccount", "stripe")
    booked = site.book(site.event, ADA)
    deliver()
    with transaction.atomic():
        site.pay_by_card(booked.invoice)
        transaction.set_rollback(True)
    assert not OrderMark.objects.exists()
    deliver()
    assert not elevate.calls
    with transaction.atomic():
        site.pay_by_card(Invoice.objects.get(pk=booked.invoice_id))
        assert not elevate.calls
    deliver()
    assert live(elevate) == ["ada@example.org"]


def test_a_free_event_needs_no_payment(site, deliver, elevate):
    site.book(site.free_event, ADA)
    deliver()
    assert [(held.remote_product_id, held.amount_paid) for held in elevate.live()] == [("LAW5678", "0.00")]


def test_a_booking_under_way_is_not_read_before_it_is_quiet(site, deliver, settings):
    settings.ELEVATE = {**settings.ELEVATE, "QUIET_TIME": 600.0}
    site.book(site.event, ADA)
    deliver()
    assert OrderMark.objects.filter(quiet=True).exists()
    assert not TrackedOrder.objects.exists()


def test_cancelling_one_seat_cancels_only_that_one_though_the_invoice_stays_paid(
    site, deliver, elevate, paid_pair
):
    seat = Registrant.objects.get(registration=paid_pair, email="ben@example.org")
    before = Invoice.objects.get(pk=paid_pair.invoice_id)
    answer = site.client("office").post(reverse("event.cancel_registrant", args=[site.event.pk, seat.pk]))
    assert answer.status_code == 302
    after = Invoice.objects.get(pk=paid_pair.invoice_id)
    assert (after.balance, after.update_dt) == (0, before.update_dt)
    deliver()
    assert rows() == [("ada@example.org", "registered"), ("ben@example.org", "cancelled")]
    assert live(elevate) == ["ada@example.org"]


def test_cancelling_the_registration_cancels_every_seat(site, deliver, elevate, paid_pair):
    address = reverse("event.cancel_registration", args=[site.event.pk, paid_pair.pk])
    assert site.client("office").post(address).status_code == 302
    deliver()
    assert not elevate.live()


def test_a_partial_refund_keeps_the_seats_and_a_full_one_cancels_them(site, deliver, elevate, by_card):
    refund(site, by_card, "50.00")
    deliver()
    assert live(elevate) == ["ada@example.org", "ben@example.org"]
    refund(site, Invoice.objects.get(pk=by_card.pk), "190.00")
    deliver()
    invoice = Invoice.objects.get(pk=by_card.pk)
    assert (invoice.balance, invoice.registration.canceled) == (0, False)
    assert not elevate.live()


def test_the_offices_refund_page_may_cancel_the_registration_with_it(site, deliver, elevate, by_card):
    with patch("stripe.Refund.create", return_value=SimpleNamespace(id="re_1", status="succeeded")):
        answer = site.client("office").post(
            reverse("invoice.refund", args=[by_card.pk]),
            {"amount": "100.00", "cancellation_fees": "0.00", "cancel_registration": "on"},
        )
    assert answer.status_code == 302
    deliver()
    assert not elevate.live()


def test_an_invoice_put_to_zero_after_its_refund_is_no_free_order(site, deliver, elevate, by_card):
    refund(site, by_card, "240.00")
    deliver()
    site.adjust(by_card, "-240.00")
    assert Invoice.objects.get(pk=by_card.pk).total == 0
    deliver()
    assert not elevate.live()


def test_a_charge_added_to_a_paid_invoice_takes_no_seat_away(site, deliver, elevate, paid_pair):
    site.adjust(paid_pair.invoice, "20.00")
    assert Invoice.objects.get(pk=paid_pair.invoice_id).balance == 20
    deliver()
    assert live(elevate) == ["ada@example.org", "ben@example.org"]


def test_a_price_that_the_office_takes_off_altogether_is_paid(site, deliver, elevate):
    booked = site.book(site.event, ADA)
    site.adjust(booked.invoice, "-120.00")
    deliver()
    assert live(elevate) == ["ada@example.org"]


def test_a_table_is_a_seat_for_each_person_at_it_and_its_price_is_with_the_first(site, deliver, elevate):
    table = RegConfPricing.objects.create(
        reg_conf=site.event.registration_configuration, title="Table", price=Decimal("200.00"), quantity=2,
        start_dt=site.event.create_dt, end_dt=site.event.end_dt, allow_anonymous=True, allow_user=True,
    )  # fmt: skip
    booked = site.book(site.event, ADA, BEN, table=table)
    assert booked.is_table
    site.pay(booked.invoice)
    deliver()
    assert {held.email: held.amount_paid for held in elevate.live()} == {
        "ada@example.org": "200.00",
        "ben@example.org": "0.00",
    }


def test_a_refund_that_the_gateway_refuses_cancels_nothing(site, deliver, elevate, by_card):
    with patch("stripe.Refund.create", side_effect=RuntimeError("no")), pytest.raises(RuntimeError):
        by_card.refund(Decimal("240.00"), site.office)
    deliver()
    assert live(elevate) == ["ada@example.org", "ben@example.org"]


def test_a_voided_payment_cancels(site, deliver, elevate, paid_pair):
    site.client("office").post(reverse("invoice.void_payment", args=[paid_pair.invoice_id]))
    deliver()
    assert not elevate.live()


def test_a_void_invoice_is_not_paid_whatever_its_balance_says(site, deliver, elevate, paid_pair):
    site.void(paid_pair.invoice)
    assert not Invoice.objects.filter(pk=paid_pair.invoice_id).exists()
    assert Invoice.objects.all_invoices().get(pk=paid_pair.invoice_id).balance == 0
    deliver()
    assert not elevate.live()


def test_an_unpaid_invoice_that_is_voided_registers_nobody(site, deliver, elevate):
    booked = site.book(site.event, ADA)
    site.void(booked.invoice)
    deliver()
    assert not elevate.calls


def test_a_new_invoice_after_a_void_brings_the_same_seats_back(site, deliver, elevate, paid_pair):
    site.void(paid_pair.invoice)
    deliver()
    again = paid_pair.save_invoice()
    assert again.pk != paid_pair.pk
    site.pay(again)
    deliver()
    assert live(elevate) == ["ada@example.org", "ben@example.org"]
    assert Row.objects.count() == 2


def test_a_deleted_registration_cancels(site, deliver, elevate, paid_pair):
    paid_pair.delete()
    deliver()
    deliver()
    assert not elevate.live()


def test_a_deleted_seat_cancels_only_that_one(site, deliver, elevate, paid_pair):
    Registrant.objects.get(registration=paid_pair, email="ben@example.org").delete()
    deliver()
    deliver()
    assert live(elevate) == ["ada@example.org"]


def test_a_guest_without_a_log_in_is_held_until_he_has_one(site, deliver, elevate):
    put_setting("module", "events", "anonymousregistration", "open")
    booked = site.book(site.free_event, ("Gina", "Müller", "gina@example.org"), by="")
    assert (booked.owner, booked.invoice.owner, booked.registrant.user) == (None, None, None)
    deliver()
    assert rows() == [("gina@example.org", "held")]
    person("gina", "Gina", "Müller")
    sweep()
    deliver()
    assert [(held.email, held.lastname) for held in elevate.live()] == [("gina@example.org", "Müller")]


def test_a_seat_without_an_email_is_held_and_holds_up_nobody(site, deliver, elevate):
    booked = site.book(site.event, ADA, ("Guest", "Two", ""))
    site.pay(booked.invoice)
    deliver()
    assert rows() == [("ada@example.org", "registered"), ("", "held")]
    assert live(elevate) == ["ada@example.org"]


def test_a_seat_passed_on_by_the_sites_own_form_cancels_the_one_and_registers_the_other(
    site, deliver, elevate
):
    booked = site.book(site.event, ADA)
    site.pay(booked.invoice)
    deliver()
    site.edit(booked, BEN)
    assert Registrant.objects.get().user.username == "ada", "Tendenci keeps the log-in of the person before"
    deliver()
    deliver()
    assert [(held.remote_user_id, held.cancelled) for held in elevate.registrations] == [
        (str(User.objects.get(username="ada").pk), True),
        (str(User.objects.get(username="ben").pk), False),
    ]


def test_a_seat_passed_on_to_somebody_unknown_is_held_and_not_left_with_the_person_before(
    site, deliver, elevate
):
    booked = site.book(site.event, ADA)
    site.pay(booked.invoice)
    deliver()
    site.edit(booked, ("Nora", "New", "nora@example.org"))
    deliver()
    deliver()
    assert not elevate.live()
    assert ("nora@example.org", "held") in rows()


def test_another_address_of_the_same_person_is_no_other_learner(site, deliver, elevate, paid_pair):
    User.objects.filter(username="ada").update(email="ada.sample@example.net")
    paid_pair.registrant.save()
    deliver()
    assert live(elevate) == ["ada@example.org", "ben@example.org"]
    assert len(elevate.calls) == 2


def test_a_misspelt_name_put_right_is_no_other_learner(site, deliver, elevate):
    booked = site.book(site.event, ("Adda", "Sample", "ada@example.org"))
    site.pay(booked.invoice)
    deliver()
    site.edit(booked, ADA)
    deliver()
    assert len(elevate.calls) == 1


def test_the_sweep_sees_what_no_signal_told(site, deliver, elevate, paid_pair):
    seats = Registrant.objects.filter(registration=paid_pair, email="ben@example.org")
    seats.update(cancel_dt=paid_pair.create_dt)
    assert not OrderMark.objects.exists()
    sweep()
    deliver()
    assert live(elevate) == ["ada@example.org"]


def test_an_elevate_that_is_away_does_not_disturb_the_site(site, deliver, elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 3600.0, "RETRY_CEILING": 3600.0}
    elevate.stop()
    booked = site.book(site.event, ADA)
    site.pay(booked.invoice)
    assert Invoice.objects.get(pk=booked.invoice_id).balance == 0
    assert deliver() == 1
    elevate.start()
    Row.objects.update(due_at=datetime(2020, 1, 1))  # noqa: DTZ001 - naive, as the site is
    deliver()
    assert live(elevate) == ["ada@example.org"]
