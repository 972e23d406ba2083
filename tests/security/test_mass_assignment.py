"""What may be typed is what is taken: further fields in a form or a body of the API change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from elevate_integration.lifecycle import AtElevate, Obstacle
from elevate_integration.models import ProductMapping, Registration, SeatAssignment
from elevate_integration.orders.source import Learner
from elevate_integration.seats import assignment_url
from tests.plainshop.models import Item
from tests.plainshop.seats import GroupSource
from tests.rows import make_mapping, make_row
from tests.security.people import log_in

PAGES = "/admin/elevate_integration"
# Columns that no form and no body may set.
MORE = {
    "id": 4711, "pk": 4711, "status": "registered", "wanted": False, "at_elevate": "present", "obstacle": "",
    "registration_id": "666", "site": "https://evil.example", "claim_token": "x", "brake_released": True,
    "actor": "somebody else", "trigger": "x", "remote_user_id": "M-666", "learner_key": "M-666", "order_ref": "666",
    "url_checked_at": "2000-01-01T00:00:00Z", "url_problem": "", "created_at": "2000-01-01T00:00:00Z",
    "updated_at": "2000-01-01T00:00:00Z", "is_staff": True, "is_superuser": True, "confirmed": True, "failures": 99,
    "amount_paid": "0.01", "email": "evil@example.org", "firstname": "Eve", "staff_cancelled": False,
}  # fmt: skip

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def host(settings: Any) -> None:
    """The plain shop is the host; nothing is sent."""
    settings.ELEVATE = {
        **settings.ELEVATE,
        "URL": "https://elevate.example",
        "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    }


def stored(row: Any) -> dict[str, Any]:
    return type(row).objects.filter(pk=row.pk).values().get()


def changed(before: dict[str, Any], row: Any) -> set[str]:
    after = stored(row)
    return {name for name, value in after.items() if before[name] != value}


def test_a_new_mapping_takes_its_own_fields_alone() -> None:
    boss = log_in("boss")
    good = {
        "product_key": "course:LAW",
        "remote_product_id": "LAW5678",
        "product_title": "Law",
        "active": True,
    }
    answer = boss.post("/api/v1/mappings/", {**MORE, **good}, content_type="application/json")
    assert answer.status_code == 201
    made = ProductMapping.objects.get()
    assert made.pk != 4711
    assert made.created_at.year != 2000
    assert made.url_checked_at is None


def test_a_changed_mapping_takes_its_own_fields_alone() -> None:
    boss, mapping = log_in("boss"), make_mapping(url_problem="timeout")
    before = stored(mapping)
    answer = boss.patch(
        f"/api/v1/mappings/{mapping.pk}/", {**MORE, "product_title": "New"}, content_type="application/json"
    )
    assert answer.status_code == 200
    assert changed(before, mapping) <= {"product_title", "updated_at"}
    form = {
        "product_key": "course:ETHICS",
        "remote_product_id": "ABCD1234",
        "active": "on",
        "send_email": "unknown",
    }
    before = stored(mapping)
    answer = boss.post(
        f"{PAGES}/productmapping/{mapping.pk}/change/", {**MORE, **form, "product_title": "Newer"}
    )
    assert answer.status_code == 302
    assert changed(before, mapping) <= {"product_title", "updated_at"}
    assert ProductMapping.objects.count() == 1


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post"])
def test_a_registration_is_never_written_as_such(method: str) -> None:
    boss, row = log_in("boss"), make_row(make_mapping())
    before = stored(row)
    for url in (f"/api/v1/registrations/{row.pk}/", "/api/v1/registrations/"):
        assert getattr(boss, method)(url, MORE, content_type="application/json").status_code == 405
    answer = boss.post(f"{PAGES}/registration/{row.pk}/change/", {**MORE, "_save": "Save"})
    assert answer.status_code == 403
    assert changed(before, row) == set()


def test_a_retry_takes_no_field() -> None:
    boss, row = log_in("boss"), make_row(make_mapping(), obstacle=Obstacle.REFUSED, failures=3)
    before = stored(row)
    for act in (
        lambda: boss.post(f"/api/v1/registrations/{row.pk}/retry/", MORE, content_type="application/json"),
        lambda: boss.post(f"{PAGES}/registration/act/retry/", {**MORE, "pks": row.pk, "confirm": "yes"}),
    ):
        act()
        touched = changed(before, row)
        assert touched <= {
            "obstacle",
            "status",
            "due_at",
            "trigger",
            "actor",
            "updated_at",
            "failures",
            "error_messages",
        }
        assert stored(row)["actor"] == "boss@example.org"
        Registration.objects.filter(pk=row.pk).update(**before)


def test_a_cancellation_takes_its_texts_alone() -> None:
    boss, row = log_in("boss"), make_row(make_mapping(), at_elevate=AtElevate.PRESENT)
    before = stored(row)
    body = {**{name: value for name, value in MORE.items() if name != "email"}, "explanation": "asked"}
    answer = boss.post(f"/api/v1/registrations/{row.pk}/cancel/", body, content_type="application/json")
    assert answer.status_code in (200, 202)
    assert not changed(before, row) & {
        "id", "registration_id", "site", "claim_token", "remote_user_id", "learner_key", "order_ref", "email",
        "firstname", "amount_paid", "failures", "created_at", "at_elevate",
    }  # fmt: skip
    assert stored(row)["actor"] == "boss@example.org"


@pytest.mark.django_db(transaction=True)
def test_a_buyer_names_the_seats_of_his_order_and_types_nothing_else(
    groupshop: type[GroupSource], sell: Any, deliver: Any, client: Client
) -> None:
    mine, other = sell(), sell(person_id="M-9", email="x@example.org")
    Item.objects.create(invoice=mine, course="ETHICS", price="120.00")
    theirs = Item.objects.create(invoice=other, course="ETHICS", price="120.00")
    GroupSource.buyers[str(mine.pk)] = Learner("M-1", "Ada", "Sample", "ada@example.org")
    deliver()
    url = assignment_url(None, mine.pk)
    page = client.get(url).content.decode()
    seat = page.partition('name="initial-')[2].partition("-email")[0].partition('"')[0].rpartition("-")[0]
    typed = {f"{seat}-first_name": "Eve", f"{seat}-last_name": "X", f"{seat}-email": "eve@example.org"}
    typed |= {f"{seat}-{name}": value for name, value in MORE.items() if name != "email"}
    typed |= {f"item:{theirs.pk}-{name}": "evil@example.org" for name in ("email", "first_name", "last_name")}
    assert client.post(url, {**typed, "order_ref": other.pk}).status_code == 302
    named = SeatAssignment.objects.get()
    assert (named.order_ref, named.email) == (str(mine.pk), "eve@example.org")
    deliver()
    assert not Registration.objects.filter(remote_user_id="M-666").exists()
