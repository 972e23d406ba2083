"""Registering at the fake: what the vendor's page asks for, tolerates and leaves open."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
import requests

from elevate_integration.testing import FakeElevate
from tests.testing.conftest import KEY, REGISTER, Post, registration


def test_the_vendors_example_is_answered_as_documented(fake: FakeElevate, register: Post) -> None:
    response = register()

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    (held,) = fake.registrations
    assert response.json() == {
        "product_url": f"{fake.url}/products/ABCD1234?force_login=1",
        "registration_id": held.registration_id,
    }


def test_a_registration_holds_everything_it_received_but_the_key(fake: FakeElevate, register: Post) -> None:
    register(amount_paid="25.50", send_email=True, member_type="student")

    (held,) = fake.registrations
    assert (held.remote_user_id, held.remote_product_id) == ("M-1001", "ABCD1234")
    assert (held.firstname, held.lastname, held.email) == ("Ada", "Example", "ada@example.org")
    assert (held.amount_paid, held.send_email) == ("25.50", True)
    assert not held.cancelled
    assert held.fields["member_type"] == "student"
    assert "api_key" not in held.fields
    assert fake.calls == [(REGISTER, held.fields)]


def test_another_key_counts_from_the_next_call_on(fake: FakeElevate, register: Post) -> None:
    """A call that came before ends with the key that it came with."""
    fake.on_call = lambda path, fields: fake.rotate_key("another")
    assert "registration_id" in register().json()
    assert list(register().json()["error_messages"]) == ["api_key"]
    assert "registration_id" in register(api_key="another").json()


def test_the_repr_of_a_registration_names_no_person(fake: FakeElevate, register: Post) -> None:
    register()
    assert "Example" not in repr(fake.registrations)
    assert "ada@" not in repr(fake.registrations)


@pytest.mark.parametrize("amount", ["0", "0.00", "19.90", 0, 19.9, -5])
def test_an_amount_may_be_a_string_or_a_number(fake: FakeElevate, register: Post, amount: object) -> None:
    assert "registration_id" in register(amount_paid=amount).json()
    assert fake.registrations[0].amount_paid == str(amount)


@pytest.mark.parametrize("amount", ["free", "1,50", True, [], "NaN", "1_000"])
def test_an_amount_that_is_no_number_is_refused(fake: FakeElevate, register: Post, amount: object) -> None:
    assert list(register(amount_paid=amount).json()["error_messages"]) == ["amount_paid"]
    assert fake.registrations == []


@pytest.mark.parametrize(
    "name", ["remote_user_id", "firstname", "lastname", "email", "remote_product_id", "amount_paid"]
)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_required_field_that_is_empty_is_named(
    fake: FakeElevate, register: Post, name: str, value: object
) -> None:
    fake.empty_names = False
    response = register(**{name: value})

    assert response.json() == {"error_messages": {name: f"The {name} field is required."}}
    assert fake.registrations == []


def test_a_person_with_one_name_is_taken_unless_switched_off(fake: FakeElevate, register: Post) -> None:
    register(lastname="")

    assert [held.lastname for held in fake.registrations] == [""]


def test_every_missing_field_is_named_at_once(fake: FakeElevate, http: requests.Session) -> None:
    response = http.post(fake.url + REGISTER, json={"api_key": KEY, "email": "ada@example.org"}, timeout=10)

    assert set(response.json()["error_messages"]) == {
        "remote_user_id",
        "firstname",
        "lastname",
        "remote_product_id",
        "amount_paid",
    }


@pytest.mark.parametrize(
    ("name", "value"), [("firstname", 7), ("email", ["a"]), ("send_email", "yes"), ("remote_user_id", True)]
)
def test_a_field_of_the_wrong_type_is_named(register: Post, name: str, value: object) -> None:
    assert list(register(**{name: value}).json()["error_messages"]) == [name]


def test_an_unknown_product_is_refused_in_the_vendors_words(fake: FakeElevate, register: Post) -> None:
    response = register(remote_product_id="NOPE")

    assert response.status_code == 200
    assert response.json() == {"error_messages": {"product": "The requested product could not be found."}}
    assert fake.registrations == []


def test_the_status_of_a_refusal_is_switchable(fake: FakeElevate, register: Post) -> None:
    fake.refusal_status = 422
    assert register(remote_product_id="NOPE").status_code == 422


@pytest.mark.parametrize("key", ["wrong", "", None, 7, "\ud800"])
def test_a_wrong_key_is_refused_before_anything_else_is_looked_at(
    fake: FakeElevate, register: Post, key: object
) -> None:
    response = register(api_key=key, remote_product_id="NOPE")

    assert response.status_code == 401
    assert list(response.json()["error_messages"]) == ["api_key"]
    assert fake.registrations == []


def test_the_status_of_a_wrong_key_is_switchable(fake: FakeElevate, register: Post) -> None:
    fake.wrong_key_status = 200
    assert register(api_key="wrong").status_code == 200


def test_registering_twice_gives_a_new_id(fake: FakeElevate, register: Post) -> None:
    assert register().json()["registration_id"] != register().json()["registration_id"]
    assert len(fake.registrations) == 2


def test_registering_twice_can_give_the_same_id(fake: FakeElevate, register: Post) -> None:
    fake.register_twice = "same_id"
    assert register().json() == register().json()
    assert len(fake.registrations) == 1


def test_registering_twice_can_be_refused(fake: FakeElevate, register: Post) -> None:
    fake.register_twice = "error"
    register()
    assert "error_messages" in register().json()
    assert "registration_id" in register(remote_user_id="M-1002").json()
    assert len(fake.registrations) == 2


@pytest.mark.parametrize("twice", ["same_id", "error"])
def test_after_a_cancel_a_registration_is_a_new_one(
    fake: FakeElevate, register: Post, cancel: Post, twice: Any
) -> None:
    fake.register_twice = twice
    first = register().json()["registration_id"]
    cancel(first)
    assert register().json()["registration_id"] != first


def test_an_unknown_switch_is_an_error(fake: FakeElevate) -> None:
    with pytest.raises(ValueError, match="new_id, same_id, error"):
        fake.register_twice = "sometimes"
    with pytest.raises(ValueError, match="success, error"):
        fake.cancel_twice = "sometimes"


def test_the_id_can_come_as_a_string(fake: FakeElevate, register: Post) -> None:
    fake.id_as_string = True
    assert register().json()["registration_id"] == str(fake.registrations[0].registration_id)


def test_a_product_can_be_added_while_it_runs(fake: FakeElevate, register: Post) -> None:
    fake.add_product("Größe/1", "Sizes")
    url = register(remote_product_id="Größe/1").json()["product_url"]

    assert fake.products == {"ABCD1234": "ABCD1234", "Größe/1": "Sizes"}
    assert "<h1>Sizes</h1>" in requests.get(url, timeout=10).text


@pytest.mark.parametrize("body", ["", "no json", "[]", '{"api_key": NaN}', "[" * 100_000, "1" * 5000])
def test_a_body_that_is_no_json_object_is_refused(
    fake: FakeElevate, http: requests.Session, body: str
) -> None:
    response = http.post(
        fake.url + REGISTER, data=body, headers={"Content-Type": "application/json"}, timeout=10
    )
    assert list(response.json()["error_messages"]) == ["body"]
    assert fake.calls == [(REGISTER, {})]


def test_a_form_is_refused(fake: FakeElevate, http: requests.Session) -> None:
    response = http.post(fake.url + REGISTER, data=registration(), timeout=10)
    assert "application/json" in response.json()["error_messages"]["body"]


def test_a_body_may_come_in_chunks(fake: FakeElevate, http: requests.Session) -> None:
    pieces = iter(json.dumps(registration()).encode().partition(b","))
    response = http.post(
        fake.url + REGISTER, data=pieces, headers={"Content-Type": "application/json"}, timeout=10
    )
    assert response.json()["registration_id"] == fake.registrations[0].registration_id


@pytest.mark.parametrize("length", ["-1", "many", "99999999999"])
def test_a_length_that_makes_no_sense_ends_the_connection(fake: FakeElevate, length: str) -> None:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", REGISTER)
    connection.putheader("Content-Length", length)
    connection.endheaders()
    response = connection.getresponse()

    assert response.status == 400
    assert response.getheader("Connection") == "close"
    connection.close()


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n", b"fffffffff\r\n", b"98967f\r\n" + b"x" * 9_999_999 + b"\r\n2\r\nxx\r\n"]
)
def test_chunks_that_make_no_sense_end_the_connection(fake: FakeElevate, chunks: bytes) -> None:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", REGISTER)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(chunks)
    assert connection.getresponse().status == 400
    connection.close()


def test_a_client_that_leaves_in_the_middle_of_its_request_registers_nobody(fake: FakeElevate) -> None:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", REGISTER)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "5000")
    connection.endheaders(json.dumps(registration()).encode())
    connection.close()
    fake.stop()
    assert fake.registrations == []


def test_one_connection_serves_many_calls(fake: FakeElevate) -> None:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=10)
    connection.connect()
    socket = connection.sock
    for _ in range(5):
        connection.request("POST", REGISTER, json.dumps(registration()), {"Content-Type": "application/json"})
        assert connection.getresponse().read()
    assert connection.sock is socket
    assert len(fake.registrations) == 5
    connection.close()


@pytest.mark.parametrize("path", ["/registrations", "/api/registrations/", "/api/registrations/cancel"])
def test_another_path_is_not_found(fake: FakeElevate, http: requests.Session, path: str) -> None:
    assert http.post(fake.url + path, json=registration(), timeout=10).status_code == 404
    assert fake.registrations == []
    assert fake.calls[0][0] == path
