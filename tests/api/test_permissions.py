"""Each endpoint with each permission alone: a table, so that a new endpoint without a permission cannot slip in."""

from __future__ import annotations

import pytest
from django.urls import resolve
from rest_framework.test import APIClient

from elevate_integration.api import urls
from elevate_integration.api.base import ApiView
from elevate_integration.lifecycle import AtElevate, Obstacle
from elevate_integration.models import ProductMapping, Registration
from tests.api.conftest import log_in
from tests.api.source import AnyText

OURS = (
    "view_productmapping",
    "add_productmapping",
    "change_productmapping",
    "delete_productmapping",
    "map_product",
    "view_registration",
    "retry_registration",
    "cancel_registration",
    "view_trackedorder",
    "resync_order",
    "view_attempt",
    "view_unmappedsale",
    "view_deliverystate",
    "pause_delivery",
)
SEE_MAPPINGS = {"view_productmapping", "change_productmapping", "map_product"}
NEW = {"product_key": "course:LAW", "remote_product_id": "LAW5678"}
# Method, address, body, who may, and what they are answered.
TABLE = [
    ("get", "/api/v1/mappings/", None, SEE_MAPPINGS, 200),
    ("post", "/api/v1/mappings/", NEW, {"add_productmapping", "map_product"}, 201),
    ("get", "/api/v1/mappings/{mapping}/", None, SEE_MAPPINGS, 200),
    ("patch", "/api/v1/mappings/{mapping}/", {}, {"change_productmapping", "map_product"}, 200),
    ("get", "/api/v1/registrations/", None, {"view_registration"}, 200),
    ("get", "/api/v1/registrations/{row}/", None, {"view_registration"}, 200),
    ("post", "/api/v1/registrations/{row}/retry/", None, {"retry_registration"}, 202),
    ("post", "/api/v1/registrations/{row}/cancel/", {}, {"cancel_registration"}, 200),
    ("post", "/api/v1/registrations/{row}/resync/", None, {"resync_order"}, 200),
    ("get", "/api/v1/orders/{order}/", None, {"view_registration"}, 200),
    ("post", "/api/v1/orders/{order}/sync/", None, {"resync_order"}, 200),
    ("get", "/api/v1/me/courses/", None, set(OURS) | {None}, 200),
    ("get", "/api/v1/health/", None, {"view_deliverystate", "pause_delivery"}, 503),
    ("get", "/api/schema/", None, set(OURS) | {None}, 200),
]


@pytest.fixture
def places(mapping: ProductMapping, row) -> dict[str, object]:
    AnyText.orders.add("9001")
    refused = row(order_ref="9001", seat_key="seat:1", learner_key="M-1", remote_user_id="M-1",
                  obstacle=Obstacle.REFUSED)  # fmt: skip
    return {"mapping": mapping.pk, "row": refused.pk, "order": "9001"}


def ask(client: APIClient, method: str, address: str, body: object) -> int:
    return int(getattr(client, method)(address, body, format="json").status_code)


@pytest.mark.parametrize("permission", [*OURS, None])
@pytest.mark.parametrize(("method", "address", "body", "allowed", "good"), TABLE)
def test_each_permission_alone_opens_what_is_its_own_and_nothing_else(
    client_of, places, permission, method, address, body, allowed, good
):
    client = client_of(*filter(None, [permission]))
    before = list(Registration.objects.values()), list(ProductMapping.objects.values())
    answered = ask(client, method, address.format(**places), body)
    assert answered == (good if permission in allowed else 403)
    if answered == 403:
        assert before == (list(Registration.objects.values()), list(ProductMapping.objects.values()))


@pytest.mark.parametrize(("method", "address", "body", "allowed", "good"), TABLE)
def test_nobody_is_answered_without_a_log_in_but_for_the_schema(places, method, address, body, allowed, good):
    answered = ask(APIClient(), method, address.format(**places), body)
    assert answered == (200 if address == "/api/schema/" else 401)


def test_the_table_above_names_every_endpoint():
    known = {"mapping": 1, "row": 1, "order": "9001"}
    named = {(resolve(address.format(**known)).url_name, method) for method, address, *_ in TABLE}
    served = set()
    for pattern in urls.urlpatterns:
        view = pattern.callback
        methods = getattr(view, "actions", None) or [
            m for m in ("get", "post", "patch") if hasattr(view.cls, m)
        ]
        served |= {(pattern.name, method) for method in methods if method != "head"}
    assert named == served


def test_every_view_of_the_api_names_the_permissions_of_each_of_its_methods():
    for pattern in urls.urlpatterns:
        view = pattern.callback
        if not issubclass(view.cls, ApiView) or pattern.name in ("nowhere", "my-courses"):
            continue
        actions = getattr(view, "actions", None) or {m: m for m in ("get", "post") if hasattr(view.cls, m)}
        for method, action in actions.items():
            assert method == "head" or view.cls.needs[action]


def test_people_are_shown_only_to_those_who_may_see_registrations(client_of, row):
    refused = row(obstacle=Obstacle.REFUSED, error_messages=[["email", "ada@example.org is taken"]])
    answer = client_of("retry_registration").post(f"/api/v1/registrations/{refused.pk}/retry/").json()
    assert answer["learner"] is None
    assert answer["error_messages"] == []
    assert "ada" not in str(answer).lower()


def test_a_parked_cancellation_is_let_go_only_by_who_may_pause_delivery(client_of, row):
    parked = row(wanted=False, at_elevate=AtElevate.PRESENT, obstacle=Obstacle.PARKED, confirmed=True)
    address = f"/api/v1/registrations/{parked.pk}/retry/"
    answer = client_of("retry_registration").post(address)
    assert answer.status_code == 409
    assert "brake" in answer.json()["detail"]
    both = log_in("treasurer@example.org", "retry_registration", "pause_delivery")
    assert both.post(address).status_code == 202


def test_a_log_in_without_the_staff_flag_is_enough(client_of):
    assert client_of("view_registration").get("/api/v1/registrations/").status_code == 200
