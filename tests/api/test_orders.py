"""Orders: the snapshot beside the registrations, reading again, and references of any text."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from elevate_integration.models import Registration, TrackedOrder
from tests.api.source import AnyText

REFS = [
    "9001",
    "A/1",
    "a//b/",
    "/a",
    "Ünïcode ☃",
    "a b",
    "50%",
    "a?b#c",
    "sync",
    "a/sync",
    "..",
    "a\nb",
    "x" * 150,
    "%2F",
]


def address(ref: str, *, sync: bool = False) -> str:
    return f"/api/v1/orders/{quote(ref, safe='')}/{'sync/' if sync else ''}"


@pytest.mark.parametrize("ref", REFS)
def test_a_reference_is_any_text(boss, mapping, ref):
    AnyText.orders.add(ref)
    answer = boss.post(address(ref, sync=True))
    assert answer.status_code == 200
    assert (answer.json()["order_ref"], answer.json()["created"]) == (ref, 1)
    assert Registration.objects.get().order_ref == ref
    if not ref.endswith("/sync"):
        assert boss.get(address(ref)).json()["order_ref"] == ref


def test_an_order_is_shown_as_the_store_tells_it_beside_what_is_registered(boss, mapping, row):
    AnyText.orders.add("9001")
    gone = row(order_ref="9001", seat_key="seat:0")
    answer = boss.get(address("9001")).json()
    assert answer["in_store"] is True
    assert answer["buyer"]["remote_user_id"] == "M-1"
    assert [(seat["key"], seat["amount_paid"]) for seat in answer["seats"]] == [("seat:1", "120.00")]
    assert [one["id"] for one in answer["registrations"]] == [gone.pk]
    assert answer["sync"]["created"] == 1
    assert Registration.objects.count() == 1
    assert not TrackedOrder.objects.exists()


def test_an_order_that_is_gone_from_the_store_is_shown_with_what_is_registered(boss, row):
    one = row(order_ref="9001")
    answer = boss.get(address("9001")).json()
    assert (answer["in_store"], answer["seats"], answer["buyer"]) == (False, [], None)
    assert answer["registrations"][0]["id"] == one.pk


@pytest.mark.parametrize("ref", ["never", "a\0b", "x" * 151])
def test_an_order_that_never_was_is_not_found_and_leaves_no_trace(boss, ref):
    assert boss.get(address(ref)).status_code == 404
    assert boss.post(address(ref, sync=True)).status_code == 404
    assert not TrackedOrder.objects.exists()


def test_reading_an_order_twice_does_no_more_than_once(boss, mapping):
    AnyText.orders.add("9001")
    first = boss.post(address("9001", sync=True)).json()
    rows = list(Registration.objects.values())
    second = boss.post(address("9001", sync=True)).json()
    assert (first["created"], second["created"], second["changed"], second["cancelled"]) == (1, 0, 0, 0)
    assert list(Registration.objects.values()) == rows
    assert rows[0]["trigger"] == "api"


def test_a_store_that_cannot_be_read_is_a_problem_and_not_a_crash(boss, row, caplog):
    row(order_ref="9001")
    AnyText.broken = RuntimeError("shop closed")
    for answer in (boss.get(address("9001")), boss.post(address("9001", sync=True))):
        assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
        assert answer.json()["code"] == "order_unreadable"
    assert "could not read order 9001" in caplog.text


def test_an_order_that_was_read_before_keeps_the_failure_of_a_later_reading(boss, mapping):
    AnyText.orders.add("9001")
    assert boss.post(address("9001", sync=True)).status_code == 200
    AnyText.broken = RuntimeError("shop closed")
    answer = boss.post(address("9001", sync=True))
    assert (answer.status_code, answer.json()["code"]) == (503, "order_unreadable")
    assert "shop closed" in TrackedOrder.objects.get().last_error


def test_a_big_order_takes_no_more_queries(boss, mapping, row, django_assert_max_num_queries):
    for number in range(100):
        row(order_ref="9001", seat_key=f"seat:{number}")
    with django_assert_max_num_queries(16):
        assert len(boss.get(address("9001")).json()["registrations"]) == 100
