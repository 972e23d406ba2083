"""Memberships as seats: paid and approved is registered, expired is not refunded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from tendenci.apps.memberships.models import MembershipDefault

from elevate_integration.delivery.sweep import sweep
from elevate_integration.models import Registration as Row
from elevate_integration.orders.tendenci import TendenciSource


def statuses() -> list[str]:
    return list(Row.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture
def member(site, deliver):
    """Ada's membership, approved by the office and paid by check."""
    membership = site.apply("ada")
    site.approve(membership)
    site.pay(membership.get_invoice())
    deliver()
    membership.refresh_from_db()
    return membership


def test_a_membership_is_registered_once_it_is_both_approved_and_paid(site, deliver, elevate):
    membership = site.apply("ada")
    deliver()
    site.approve(membership)
    deliver()
    assert not elevate.calls
    site.pay(membership.get_invoice())
    deliver()
    (held,) = elevate.registrations
    assert (held.remote_product_id, held.email, held.amount_paid) == ("MEMBER99", "ada@example.org", "80.00")


def test_a_paid_application_waits_for_its_approval(site, deliver, elevate):
    membership = site.apply("ada")
    membership.get_invoice().tender(site.office)
    site.pay(membership.get_invoice())
    deliver()
    assert not elevate.calls
    site.approve(membership)
    deliver()
    assert len(elevate.live()) == 1


def test_a_membership_that_expires_keeps_its_registration(site, deliver, elevate, member):
    member.expire(site.office)
    deliver()
    assert (member.status_detail, statuses()) == ("expired", ["registered"])


def test_one_that_a_command_expired_without_a_signal_keeps_it_too(deliver, elevate, member):
    MembershipDefault.objects.filter(pk=member.pk).update(status_detail="expired")
    sweep()
    deliver()
    assert len(elevate.live()) == 1


def test_a_renewal_archives_the_old_membership_and_cancels_nothing(site, deliver, elevate, member):
    renewal = site.apply("ada", renewal=True, renew_from_id=member.pk)
    site.approve(renewal)
    site.pay(renewal.get_invoice())
    deliver()
    member.refresh_from_db()
    assert member.status_detail == "archive"
    assert statuses() == ["registered", "registered"]
    assert not [held for held in elevate.registrations if held.cancelled]


def test_a_site_may_choose_that_access_ends_with_the_membership(site, deliver, elevate, member, monkeypatch):
    monkeypatch.setattr(TendenciSource, "membership_end_cancels", True)
    member.expire(site.office)
    deliver()
    assert not elevate.live()


def test_a_voided_invoice_cancels_a_membership(site, deliver, elevate, member):
    site.void(member.get_invoice())
    deliver()
    assert not elevate.live()


def test_a_disapproved_membership_is_not_registered(site, deliver, elevate):
    membership = site.apply("ada")
    site.pay(membership.get_invoice())
    site.client("office").get(reverse("membership.details", args=[membership.pk]), {"disapprove": ""})
    membership.refresh_from_db()
    assert membership.status_detail == "disapproved"
    deliver()
    assert not elevate.calls


def test_a_deleted_membership_cancels(deliver, elevate, member):
    member.delete()
    deliver()
    deliver()
    assert not elevate.live()


def test_an_application_archived_unapproved_never_was_a_membership(site, deliver, elevate):
    membership = site.apply("ada")
    membership.get_invoice().tender(site.office)
    site.pay(membership.get_invoice())
    membership.status_detail = "archive"
    membership.save()
    deliver()
    assert not elevate.calls


def test_a_set_is_one_order_with_a_seat_for_each_member(site, deliver, elevate, source):
    couple = site.apply_together("ada", "ben")
    for membership in couple.memberships():
        site.approve(membership)
    couple.refresh_from_db()
    couple.invoice.tender(site.office)
    site.pay(couple.invoice)
    deliver()
    assert sorted(held.email for held in elevate.live()) == ["ada@example.org", "ben@example.org"]
    assert set(Row.objects.values_list("order_ref", flat=True)) == {f"membershipset:{couple.pk}"}
    single = couple.memberships().first()
    assert source.snapshot(f"membership:{single.pk}") is None


def test_the_order_is_placed_when_the_member_applied(site, source):
    membership = site.apply("ada")
    placed = source.placed_at(f"membership:{membership.pk}")
    assert placed is not None
    assert placed - membership.create_dt == timedelta(0)
    couple = site.apply_together("ada", "ben")
    assert source.placed_at(f"membershipset:{couple.pk}") == couple.invoice.create_dt
