"""Our pages stand in the shop's Django admin, beside its dashboard."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.urls import reverse

from elevate_integration.models import Registration, TrackedOrder
from tests.hosts.oscar import shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(db):
    return shop.visitor(shop.member(email="office@example.org", is_staff=True, is_superuser=True))


def test_every_list_and_every_page_of_a_row_answers(office, ethics, deliver):
    shop.buy(shop.visitor(shop.member()), ethics, 2)
    shop.buy(shop.visitor(shop.member(email="eve@example.org")), shop.course("BOOK", "A book", "10.00"))
    deliver()
    ours = [model for model in admin.site._registry if model._meta.app_label == "elevate_integration"]
    assert {"registration", "productmapping", "trackedorder"} <= {model._meta.model_name for model in ours}
    for model in ours:
        name = f"admin:elevate_integration_{model._meta.model_name}"
        assert office.get(reverse(f"{name}_changelist"), follow=True).status_code == 200
        for row in model._default_manager.all()[:3]:
            page = office.get(reverse(f"{name}_change", args=[row.pk]), follow=True)
            assert page.status_code == 200


def test_our_migrations_fit_the_shops_auto_field():
    call_command("makemigrations", "elevate_integration", check=True, dry_run=True, verbosity=0)


def test_a_registration_leads_to_the_order_in_the_dashboard(office, ethics, deliver):
    order = shop.buy(shop.visitor(shop.member()), ethics)
    deliver()
    assert TrackedOrder.objects.get().order_ref == str(order.pk)
    row = Registration.objects.get()
    page = office.get(reverse("admin:elevate_integration_registration_change", args=[row.pk]))
    there = reverse("dashboard:order-detail", kwargs={"number": order.number})
    assert there in page.content.decode()
    assert office.get(there).status_code == 200


def test_the_admin_needs_the_shops_permissions(ethics):
    client = shop.visitor(shop.member(is_staff=True))
    page = reverse("admin:elevate_integration_registration_changelist")
    assert client.get(page).status_code == 403
