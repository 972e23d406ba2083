"""The package as a guest in Tendenci's project: its screens, its checks, its tables, its addresses."""

from __future__ import annotations

from io import StringIO

import pytest
from django.apps import apps
from django.contrib import admin
from django.core import checks
from django.core.management import call_command
from django.urls import resolve, reverse

from elevate_integration.models import ProductMapping, Registration
from tests.hosts.tendenci.site import ADA

OURS = [
    model
    for model in apps.get_app_config("elevate_integration").get_models()
    if admin.site.is_registered(model)
]


@pytest.fixture
def office(site, deliver):
    """Staff, on a site with one registration to look at."""
    site.pay(site.book(site.event, ADA).invoice)
    deliver()
    return site.client("office")


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_list_of_ours_opens_in_tendencis_admin(office, model):
    answer = office.get(
        reverse(f"admin:elevate_integration_{model._meta.model_name}_changelist"), follow=True
    )
    assert answer.status_code == 200


def test_there_are_lists_to_open():
    assert {"Registration", "ProductMapping"} <= {model.__name__ for model in OURS}


def test_the_page_of_a_registration_opens_and_leads_to_the_invoice(office):
    row = Registration.objects.get()
    answer = office.get(reverse("admin:elevate_integration_registration_change", args=[row.pk]))
    assert answer.status_code == 200
    assert 'href="/invoices/' in answer.content.decode()


def test_the_pages_of_a_mapping_open(office):
    row = ProductMapping.objects.first()
    for address in (
        reverse("admin:elevate_integration_productmapping_change", args=[row.pk]),
        reverse("admin:elevate_integration_productmapping_add"),
    ):
        assert office.get(address).status_code == 200


def test_our_section_stands_on_the_admins_first_page(office):
    answer = office.get(reverse("admin:index"))
    assert answer.status_code == 200
    assert "/elevate_integration/" in answer.content.decode()


def test_a_member_sees_none_of_it(site):
    answer = site.client("ada").get(reverse("admin:elevate_integration_registration_changelist"))
    assert answer.status_code != 200


def test_tendencis_own_pages_still_open(site):
    for address in ("/", f"/events/{site.event.pk}/", "/accounts/login/"):
        assert site.client().get(address).status_code == 200


def test_our_addresses_come_before_the_one_that_takes_everything():
    from elevate_integration.urls import urlpatterns

    for pattern in urlpatterns:
        if "<" not in str(pattern.pattern):
            assert resolve(f"/elevate/{pattern.pattern}").app_name == "elevate_integration"


def test_the_checks_find_nothing_wrong_with_us():
    found = [one for one in checks.run_checks() if one.id and one.id.startswith("elevate")]
    assert [one for one in found if one.level >= checks.ERROR] == []


def test_tendencis_automatic_keys_ask_for_no_migration_of_ours():
    call_command(
        "makemigrations", "elevate_integration", check=True, dry_run=True, verbosity=0, stdout=StringIO()
    )
