"""Product mappings: the same rules, warnings and consequences as the admin's form."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from elevate_integration.lifecycle import Obstacle
from elevate_integration.models import OrderMark, ProductMapping, UnmappedSale
from tests.rows import make_mapping

LIST = "/api/v1/mappings/"


def sold(product_key: str, order_ref: str = "7001") -> None:
    UnmappedSale.objects.create(
        order_ref=order_ref, seat_key="s", product_keys=UnmappedSale.pack((product_key,))
    )


def test_a_product_is_mapped(boss):
    answer = boss.post(LIST, {"product_key": "course:LAW", "remote_product_id": "LAW5678"}, format="json")
    assert answer.status_code == 201
    made = ProductMapping.objects.get(product_key="course:LAW")
    assert answer.json()["id"] == made.pk
    assert (made.active, made.not_for_elevate, made.send_email) == (True, False, None)
    assert LogEntry.objects.get(object_id=str(made.pk)).user.get_username() == "boss@example.org"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"remote_product_id": "X"}, "product_key"),
        ({"product_key": "p"}, "remote_product_id"),
        ({"product_key": "p", "remote_product_id": ""}, "remote_product_id"),
        ({"product_key": "p", "remote_product_id": "X", "not_for_elevate": True}, "not_for_elevate"),
        ({"product_key": "p", "remote_product_id": "x" * 151}, "remote_product_id"),
        ({"product_key": 5, "remote_product_id": "X"}, "product_key"),
        ({"product_key": "p", "remote_product_id": "X", "active": "yes"}, "active"),
        ({"product_key": "p", "remote_product_id": "X", "send_email": "yes"}, "send_email"),
        ({"product_key": "p", "remote_product_id": "X", "remote_registration_url": "javascript:1"},
         "remote_registration_url"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_field_and_nothing_is_stored(boss, mapping, body, field):
    answer = boss.post(LIST, body, format="json")
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert ProductMapping.objects.count() == 1


def test_a_second_mapping_of_the_same_product_to_the_same_id_is_a_conflict(boss, mapping):
    same = {"product_key": mapping.product_key, "remote_product_id": mapping.remote_product_id}
    other = make_mapping(product_key="course:LAW")
    for answer in (
        boss.post(LIST, same, format="json"),
        boss.patch(f"{LIST}{other.pk}/", same, format="json"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "does_not_apply")
        assert "already mapped" in answer.json()["detail"]
    other.refresh_from_db()
    assert other.product_key == "course:LAW"
    assert ProductMapping.objects.count() == 2


def test_what_looks_wrong_is_told(boss, mapping):
    body = {
        "product_key": "course:LAW", "remote_product_id": mapping.remote_product_id,
        "remote_registration_url": "https://elsewhere.example/x",
    }  # fmt: skip
    warnings = boss.post(LIST, body, format="json").json()["warnings"]
    assert any("also used by: Ethics" in text for text in warnings)
    assert any("elsewhere.example" in text for text in warnings)


def test_a_mended_mapping_moves_what_waits_and_counts_what_was_refused(boss, mapping, row):
    refused = row(obstacle=Obstacle.REFUSED)
    answer = boss.patch(f"{LIST}{mapping.pk}/", {"remote_product_id": "MENDED"}, format="json")
    assert (answer.status_code, answer.json()["refused"]) == (200, 1)
    refused.refresh_from_db()
    assert refused.remote_product_id == "MENDED"
    assert refused.status == "refused"


def test_a_mapping_is_deactivated_and_never_deleted(boss, mapping):
    assert boss.delete(f"{LIST}{mapping.pk}/").status_code == 405
    assert boss.patch(f"{LIST}{mapping.pk}/", {"active": False}, format="json").json()["active"] is False
    mapping.refresh_from_db()
    assert not mapping.active


def test_an_address_that_is_another_one_is_unchecked_again(boss, mapping):
    ProductMapping.objects.filter(pk=mapping.pk).update(url_problem="timeout")
    boss.patch(f"{LIST}{mapping.pk}/", {"product_title": "Ethics 2"}, format="json")
    mapping.refresh_from_db()
    assert mapping.url_problem == "timeout"
    boss.patch(
        f"{LIST}{mapping.pk}/", {"remote_registration_url": "https://ams.example.org/x"}, format="json"
    )
    mapping.refresh_from_db()
    assert mapping.url_problem == ""


@pytest.mark.parametrize(
    ("apply_past", "decision", "marked"), [(True, "apply", 1), (False, "left", 0), (None, "open", 0)]
)
def test_seats_sold_before_are_registered_or_left_as_asked(boss, apply_past, decision, marked):
    sold("course:LAW")
    body = {"product_key": "course:LAW", "remote_product_id": "LAW5678"}
    if apply_past is not None:
        body["apply_past"] = apply_past
    answer = boss.post(LIST, body, format="json").json()
    assert UnmappedSale.objects.get().decision == decision
    assert OrderMark.objects.count() == marked
    assert (answer["past"], answer["past_decided"]) == ((1, 0) if apply_past is None else (0, 1))


def test_the_list_is_filtered(boss, mapping):
    none = make_mapping(product_key="book", remote_product_id="", not_for_elevate=True)
    old = make_mapping(product_key="old", remote_product_id="OLD", active=False)
    for query, found in {
        "": [old, none, mapping],
        "active=false": [old],
        "not_for_elevate=true": [none],
        "product_key=course:ETHICS": [mapping],
        "remote_product_id=OLD": [old],
    }.items():
        answer = boss.get(f"{LIST}?{query}").json()
        assert [one["id"] for one in answer["results"]] == [one.pk for one in found]


def test_thousands_of_mappings_take_no_more_queries(boss, mapping, django_assert_num_queries):
    ProductMapping.objects.bulk_create(
        ProductMapping(product_key=f"p{n}", remote_product_id=f"R{n}") for n in range(2000)
    )
    with django_assert_num_queries(3):
        assert len(boss.get(f"{LIST}?page_size=200").json()["results"]) == 200
