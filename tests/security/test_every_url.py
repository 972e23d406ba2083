"""Every address of the package as each of five people: a new address without a row here fails the test."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
from django.db import transaction

import elevate_integration
from tests.security.every_url import URLCONF, Place, places
from tests.security.people import EVERYBODY, address, answered, everything_stored, furnish, log_in

# What GET and an empty POST are answered: to a visitor, to a member who is logged in, to staff who may see everything,
# to staff without a permission of ours, and to a superuser. `login` leads to a log-in.
TABLE = """
admin:productmapping_products           | login login 403 403 200     | login login 403 403 200
admin:productmapping_sheet              | login login 200 403 200     | login login 200 403 200
admin:productmapping_check              | login login 405 405 405     | login login 403 403 302
admin:productmapping_retry              | login login 403 403 200     | login login 403 403 302
admin:productmapping_process_import     | login login 405 405 405     | login login 403 403 200
admin:productmapping_import             | login login 403 403 200     | login login 403 403 200
admin:productmapping_export             | login login 200 403 200     | login login 200 403 200
admin:productmapping_changelist         | login login 200 403 200     | login login 200 403 200
admin:productmapping_add                | login login 403 403 200     | login login 403 403 200
admin:productmapping_history            | login login 200 403 200     | login login 200 403 200
admin:productmapping_delete             | login login 403 403 403     | login login 403 403 403
admin:productmapping_change             | login login 200 403 200     | login login 403 403 200
admin:productmapping_                   | login login 302 302 302     | login login 302 302 302
admin:unmappedsale_decide               | login login 404 404 404     | login login 404 404 404
admin:unmappedsale_changelist           | login login 200 403 200     | login login 200 403 200
admin:unmappedsale_add                  | login login 403 403 403     | login login 403 403 403
admin:unmappedsale_history              | login login 200 403 200     | login login 200 403 200
admin:unmappedsale_delete               | login login 403 403 403     | login login 403 403 403
admin:unmappedsale_change               | login login 302 302 302     | login login 302 302 302
admin:unmappedsale_                     | login login 302 302 302     | login login 302 302 302
admin:registration_seats                | login login 403 403 200     | login login 403 403 302
admin:registration_forget               | login login 403 403 200     | login login 403 403 200
admin:registration_duplicates           | login login 200 403 200     | login login 403 403 200
admin:registration_act                  | login login 405 405 405     | login login 403 403 302
admin:registration_changelist           | login login 200 403 200     | login login 200 403 200
admin:registration_add                  | login login 403 403 403     | login login 403 403 403
admin:registration_history              | login login 200 403 200     | login login 200 403 200
admin:registration_delete               | login login 403 403 403     | login login 403 403 403
admin:registration_change               | login login 200 403 200     | login login 403 403 403
admin:registration_                     | login login 302 302 302     | login login 302 302 302
admin:trackedorder_resync               | login login 405 405 405     | login login 403 403 302
admin:trackedorder_changelist           | login login 200 403 200     | login login 200 403 200
admin:trackedorder_add                  | login login 403 403 403     | login login 403 403 403
admin:trackedorder_history              | login login 200 403 200     | login login 200 403 200
admin:trackedorder_delete               | login login 403 403 403     | login login 403 403 403
admin:trackedorder_change               | login login 200 403 200     | login login 403 403 403
admin:trackedorder_                     | login login 302 302 302     | login login 302 302 302
admin:deliverystate_act                 | login login 405 405 405     | login login 403 403 302
admin:deliverystate_changelist          | login login 200 403 200     | login login 200 403 200
admin:deliverystate_add                 | login login 403 403 403     | login login 403 403 403
admin:deliverystate_history             | login login 200 403 200     | login login 200 403 200
admin:deliverystate_delete              | login login 403 403 403     | login login 403 403 403
admin:deliverystate_change              | login login 302 302 302     | login login 302 302 302
admin:deliverystate_                    | login login 302 302 302     | login login 302 302 302
admin:reconciledday_compare             | login login 403 403 302     | login login 403 403 302
admin:reconciledday_anew                | login login 405 405 405     | login login 403 403 200
admin:reconciledday_changelist          | login login 200 403 200     | login login 200 403 200
admin:reconciledday_add                 | login login 403 403 403     | login login 403 403 403
admin:reconciledday_history             | login login 200 403 200     | login login 200 403 200
admin:reconciledday_delete              | login login 403 403 403     | login login 403 403 403
admin:reconciledday_change              | login login 302 302 302     | login login 302 302 302
admin:reconciledday_                    | login login 302 302 302     | login login 302 302 302
admin:discrepancy_decide                | login login 405 405 405     | login login 403 403 302
admin:discrepancy_changelist            | login login 200 403 200     | login login 200 403 200
admin:discrepancy_add                   | login login 403 403 403     | login login 403 403 403
admin:discrepancy_history               | login login 200 403 200     | login login 200 403 200
admin:discrepancy_delete                | login login 403 403 403     | login login 403 403 403
admin:discrepancy_change                | login login 200 403 200     | login login 403 403 403
admin:discrepancy_                      | login login 302 302 302     | login login 302 302 302
admin:app_list                          | login login 200 404 200     | login login 200 404 200
pages:register                          | 200 200 200 200 200         | 410 410 410 410 410
pages:courses                           | login 200 200 200 200       | login 405 405 405 405
pages:state                             | 403 403 403 403 403         | 405 405 405 405 405
pages:seats                             | 200 200 200 200 200         | 302 302 302 302 302
pages:seats_of_order                    | login 404 404 404 404       | login 404 404 404 404
api:mapping-list                        | 401 403 200 403 200         | 401 403 403 403 400
api:mapping-detail                      | 401 403 200 403 200         | 401 405 405 405 405
api:registration-list                   | 401 403 200 403 200         | 401 405 405 405 405
api:registration-detail                 | 401 403 200 403 200         | 401 405 405 405 405
api:registration-cancel                 | 401 405 405 405 405         | 401 403 403 403 202
api:registration-resync                 | 401 405 405 405 405         | 401 403 403 403 200
api:registration-retry                  | 401 405 405 405 405         | 401 403 403 403 202
api:order-sync                          | 401 405 405 405 405         | 401 403 403 403 200
api:order                               | 401 403 200 403 200         | 401 405 405 405 405
api:my-courses                          | 401 200 200 200 200         | 401 405 405 405 405
api:health                              | 401 403 503 403 503         | 401 405 405 405 405
api:schema                              | 200 200 200 200 200         | 405 405 405 405 405
api:nowhere                             | 404 404 404 404 404         | 404 404 404 404 404
watch:live                              | 200 200 200 200 200         | 405 405 405 405 405
watch:ready                             | 200 200 200 200 200         | 405 405 405 405 405
watch:delivery                          | 401 403 503 403 503         | 405 405 405 405 405
watch:metrics                           | 401 403 404 403 404         | 405 405 405 405 405
"""
ANSWERS: dict[str, tuple[list[str], list[str]]] = {
    name.strip(): (get.split(), post.split())
    for name, get, post in (line.split("|") for line in TABLE.strip().splitlines())
}
_SHORT = (
    ("elevate_integration_api:", "api:"),
    ("elevate_integration_watching:", "watch:"),
    ("elevate_integration:", "pages:"),
    ("admin:elevate_integration_", "admin:"),
)


def short(place: Place) -> str:
    """Give the name of a place as the table writes it."""
    if place.name.startswith("admin:admin/"):
        # Django's old address of a row, which leads to the new one.
        return f"admin:{place.route.split('/')[2]}_"
    name = place.name
    for long, brief in _SHORT:
        name = name.replace(long, brief)
    return name


@pytest.fixture(autouse=True)
def host(settings: Any, db: None) -> None:
    """The plain shop is the host; nothing is sent."""
    settings.ROOT_URLCONF = URLCONF
    settings.ELEVATE = {
        **settings.ELEVATE,
        "URL": "https://elevate.example",
        "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    }


def test_the_table_has_a_row_for_every_address_and_no_other() -> None:
    assert sorted(short(place) for place in places()) == sorted(ANSWERS)


def test_every_list_of_addresses_in_the_package_is_among_them() -> None:
    routed = {place.callback for place in places()}
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(elevate_integration.__path__, "elevate_integration.")
        if found.name.rpartition(".")[2] == "urls"
    ]
    assert len(modules) >= 2
    for module in modules:
        assert {pattern.callback for pattern in module.urlpatterns} <= routed, module.__name__


@pytest.mark.parametrize("who", EVERYBODY)
def test_looking_is_answered_as_the_table_says_and_changes_nothing(who: str) -> None:
    values = furnish()
    client = log_in(who)
    before = everything_stored()
    found = {short(place): answered(client, "get", address(place, values)) for place in places()}
    column = EVERYBODY.index(who)
    assert found == {name: get[column] for name, (get, _post) in ANSWERS.items()}
    assert everything_stored() == before


@pytest.mark.parametrize("who", [who for who in EVERYBODY if who != "boss"])
def test_a_post_without_the_permission_changes_nothing(who: str) -> None:
    values = furnish()
    client = log_in(who)
    before = everything_stored()
    found = {short(place): answered(client, "post", address(place, values)) for place in places()}
    column = EVERYBODY.index(who)
    assert found == {name: post[column] for name, (_get, post) in ANSWERS.items()}
    assert everything_stored() == before


def test_a_superusers_post_is_answered_as_the_table_says() -> None:
    values = furnish()
    client = log_in("boss")
    found = {}
    for place in places():
        with transaction.atomic():
            found[short(place)] = answered(client, "post", address(place, values))
            transaction.set_rollback(True)
    assert found == {name: post[-1] for name, (_get, post) in ANSWERS.items()}
