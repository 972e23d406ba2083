"""Each fault as a client sees it, and whether the work was done."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest
import requests

from elevate_integration.testing import FakeElevate, faults
from tests.testing.conftest import CANCEL, KEY, REGISTER, Post, registration

LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def raw_call(fake: FakeElevate) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=10)
    connection.request("POST", REGISTER, json.dumps(registration()), {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def test_every_fault_has_its_row_in_the_table() -> None:
    rows = [row.split(" | ") for row in (faults.__doc__ or "").splitlines() if row.startswith("| ")][2:]
    assert {row[0].strip("| "): row[1] == "yes" for row in rows} == {
        name: kind.stores for name, kind in faults.FAULT_KINDS.items()
    }


def test_status_sends_what_it_was_given_and_stores_nothing(fake: FakeElevate, register: Post) -> None:
    fake.fail("status", status=503, body={"message": "later"}, headers={"Retry-After": "7"})
    response = register()

    assert (response.status_code, response.json()) == (503, {"message": "later"})
    assert response.headers["Retry-After"] == "7"
    assert fake.registrations == []


def test_store_then_status_did_the_work(fake: FakeElevate, register: Post) -> None:
    fake.fail("store_then_status", status=504, body="Gateway time-out")
    response = register()

    assert (response.status_code, response.text) == (504, "Gateway time-out")
    assert len(fake.registrations) == 1


def test_refuse_uses_the_given_words(fake: FakeElevate, register: Post) -> None:
    fake.refusal_status = 400
    fake.fail("refuse", message="The product is in draft.", field="product")
    response = register()

    assert response.status_code == 400
    assert response.json() == {"error_messages": {"product": "The product is in draft."}}
    assert fake.registrations == []


def test_echo_key_sends_the_key_back(fake: FakeElevate, register: Post) -> None:
    fake.fail("echo_key")
    assert KEY in register().json()["error_messages"]["api_key"]
    assert fake.registrations == []


def test_html_is_an_error_page(fake: FakeElevate, register: Post) -> None:
    fake.fail("html")
    response = register()
    assert (response.status_code, response.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert fake.registrations == []


def test_latency_answers_rightly_but_late(fake: FakeElevate, register: Post) -> None:
    fake.fail("latency", seconds=0.2)
    started = time.monotonic()
    assert "registration_id" in register().json()
    assert time.monotonic() - started >= 0.2


def test_dribble_sends_the_right_answer_byte_by_byte(fake: FakeElevate, register: Post) -> None:
    fake.fail("dribble", interval=0.002)
    started = time.monotonic()
    response = register()
    assert response.json()["registration_id"] == fake.registrations[0].registration_id
    assert time.monotonic() - started >= 0.002 * len(response.content)


def test_huge_pads_the_right_answer(fake: FakeElevate, register: Post) -> None:
    fake.fail("huge", size=2_000_000)
    response = register()
    assert len(response.content) > 2_000_000
    assert response.json()["registration_id"] == fake.registrations[0].registration_id


def test_endless_goes_on_until_the_client_leaves(fake: FakeElevate) -> None:
    fake.fail("endless")
    connection, response = raw_call(fake)
    assert len(response.read(500_000)) == 500_000
    connection.close()
    response.close()
    assert len(fake.registrations) == 1


def test_close_half_breaks_off_in_the_body(fake: FakeElevate) -> None:
    fake.fail("close_half")
    connection, response = raw_call(fake)
    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    assert broken.value.partial.startswith(b'{"product_url"')
    assert len(fake.registrations) == 1
    connection.close()


def test_garbage_is_no_json(fake: FakeElevate, register: Post) -> None:
    fake.fail("garbage")
    with pytest.raises(requests.JSONDecodeError):
        register().json()
    assert len(fake.registrations) == 1


def test_wrong_type_is_a_list(fake: FakeElevate, register: Post) -> None:
    fake.fail("wrong_type")
    assert register().json()[0]["registration_id"] == fake.registrations[0].registration_id


def test_no_id_leaves_the_id_out(fake: FakeElevate, register: Post) -> None:
    fake.fail("no_id")
    assert list(register().json()) == ["product_url"]
    assert len(fake.registrations) == 1


def test_nul_ends_each_text_with_one(fake: FakeElevate, register: Post) -> None:
    fake.fail("nul", times=2)
    assert register().json()["product_url"].endswith("force_login=1\x00")
    assert register(remote_product_id="NOPE").json()["error_messages"]["product"].endswith("found.\x00")


def test_hang_answers_nothing(fake: FakeElevate, http: requests.Session) -> None:
    fake.fail("hang")
    with pytest.raises(requests.ReadTimeout):
        http.post(fake.url + REGISTER, json=registration(), timeout=0.2)
    assert fake.registrations == []


def test_a_reset_before_reading_stores_nothing(fake: FakeElevate, register: Post) -> None:
    fake.fail("reset_before_reading")
    with pytest.raises(LOST):
        register()
    assert fake.registrations == []
    assert fake.calls == [(REGISTER, {})]


def test_a_reset_after_storing_did_the_work(fake: FakeElevate) -> None:
    fake.fail("reset_after_storing")
    with pytest.raises(ConnectionResetError):
        raw_call(fake)
    assert len(fake.registrations) == 1


@pytest.mark.parametrize(
    "fault", sorted(set(faults.FAULT_KINDS) - {"hang", "endless", "latency", "dribble", "huge"})
)
def test_a_fault_spoils_one_cancel_and_leaves_the_next_call_alone(
    fake: FakeElevate, http: requests.Session, register: Post, cancel: Post, fault: str
) -> None:
    registration_id = register().json()["registration_id"]
    fake.cancel_body = ""
    fake.fail(fault)
    try:
        cancel(registration_id)
    except LOST:
        # An empty body has no half: there the client sees a whole, empty answer.
        assert fault.startswith("reset")

    # Some faults end the connection after a whole answer: the next call must not find it in the pool.
    http.close()
    assert (fake.live() == []) is faults.FAULT_KINDS[fault].stores
    assert cancel(registration_id).status_code == 200
    assert fake.live() == []


def test_what_elevate_would_refuse_is_not_stored_by_a_fault_that_stores(
    fake: FakeElevate, register: Post
) -> None:
    fake.fail("store_then_status")
    register(remote_product_id="NOPE")
    assert fake.registrations == []


def test_faults_come_in_order_and_count_down(fake: FakeElevate, register: Post) -> None:
    fake.fail("status", times=2, status=500)
    fake.fail("status", status=429)
    assert [register().status_code for _ in range(4)] == [500, 500, 429, 200]


def test_a_fault_for_one_path_waits_for_that_path(fake: FakeElevate, register: Post, cancel: Post) -> None:
    fake.fail("status", path=CANCEL, status=500)
    registration_id = register().json()["registration_id"]
    assert [cancel(registration_id).status_code for _ in range(2)] == [500, 200]


def test_a_fault_without_a_count_stays_until_cleared(fake: FakeElevate, register: Post) -> None:
    fake.fail("status", times=None, status=500)
    assert {register().status_code for _ in range(5)} == {500}
    fake.clear_faults()
    assert register().status_code == 200


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("explode", {}),
        ("status", {"message": "x"}),
        ("status", {"status": 42}),
        ("status", {"headers": "x"}),
        ("latency", {"seconds": -1}),
        ("refuse", {"message": 7}),
        ("hang", {"times": 0}),
        ("hang", {"path": "register"}),
    ],
)
def test_a_fault_that_makes_no_sense_is_an_error_at_once(
    fake: FakeElevate, fault: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        fake.fail(fault, **options)
    assert len(fake.faults) == 0


def test_faults_are_taken_over_http(fake: FakeElevate, http: requests.Session, register: Post) -> None:
    control = fake.url + "/_fake/faults"
    order = {"fault": "status", "times": 2, "path": REGISTER, "status": 429, "headers": {"Retry-After": "1"}}
    assert http.post(control, json=order, timeout=10).json() == {"faults": [{**order, "body": ""}]}
    assert register().headers["Retry-After"] == "1"
    assert http.get(control, timeout=10).json()["faults"][0]["times"] == 1
    assert http.delete(control, timeout=10).json() == {"faults": []}
    assert register().status_code == 200


@pytest.mark.parametrize(
    "body", ["", "[]", '{"times": 1}', '{"fault": "hang", "speed": 2}', '{"fault": "hang", "self": 1}']
)
def test_a_fault_over_http_that_makes_no_sense_is_explained(
    fake: FakeElevate, http: requests.Session, body: str
) -> None:
    response = http.post(fake.url + "/_fake/faults", data=body, timeout=10)
    assert response.status_code == 400
    assert response.json()["error"].startswith("Not a fault: ")
