"""Cancelling at the fake."""

from __future__ import annotations

import pytest
import requests

from elevate_integration.testing import FakeElevate
from tests.testing.conftest import CANCEL, KEY, Post


def test_a_cancelled_registration_is_held_but_no_longer_live(
    fake: FakeElevate, register: Post, cancel: Post
) -> None:
    kept = register(remote_user_id="M-1002").json()["registration_id"]
    response = cancel(register().json()["registration_id"])

    assert (response.status_code, response.json()) == (200, {"success": True})
    assert [held.registration_id for held in fake.live()] == [kept]
    cancelled = fake.registrations[1]
    assert cancelled.cancelled
    assert cancelled.cancel_fields is not None
    assert cancelled.cancel_fields["cancellations_email"] == "office@example.org"
    assert "api_key" not in cancelled.cancel_fields


def test_the_id_may_come_as_a_string(fake: FakeElevate, register: Post, cancel: Post) -> None:
    cancel(str(register().json()["registration_id"]))
    assert fake.live() == []


def test_the_id_alone_is_enough(fake: FakeElevate, register: Post, http: requests.Session) -> None:
    fields = {"api_key": KEY, "registration_id": register().json()["registration_id"]}
    http.post(fake.url + CANCEL, json=fields, timeout=10)
    assert fake.live() == []


@pytest.mark.parametrize("registration_id", [1, "1", "", "x", None, True, "9" * 30, 1.5])
def test_an_id_that_is_not_held_is_refused(
    fake: FakeElevate, register: Post, cancel: Post, registration_id: int
) -> None:
    register()
    assert list(cancel(registration_id).json()["error_messages"]) == ["registration_id"]
    assert len(fake.live()) == 1


def test_a_field_of_the_wrong_type_is_named(fake: FakeElevate, register: Post, cancel: Post) -> None:
    response = cancel(register().json()["registration_id"], notify_cancelled_user="no", cancellations_email=7)
    assert set(response.json()["error_messages"]) == {"notify_cancelled_user", "cancellations_email"}


def test_a_wrong_key_cancels_nothing(fake: FakeElevate, register: Post, cancel: Post) -> None:
    response = cancel(register().json()["registration_id"], api_key="wrong")
    assert list(response.json()["error_messages"]) == ["api_key"]
    assert len(fake.live()) == 1


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("", ""),
        ({}, "{}"),
        ({"success": True}, '{"success": true}'),
        ("Cancelled.", "Cancelled."),
        (None, "null"),
    ],
)
def test_the_answer_to_a_cancel_is_switchable(
    fake: FakeElevate, register: Post, cancel: Post, body: object, sent: str
) -> None:
    fake.cancel_body = body
    response = cancel(register().json()["registration_id"])
    assert (response.status_code, response.text) == (200, sent)


def test_a_second_cancel_changes_nothing(fake: FakeElevate, register: Post, cancel: Post) -> None:
    registration_id = register().json()["registration_id"]
    cancel(registration_id)
    response = cancel(registration_id, cancellation_explanation="Again")

    assert response.json() == {"success": True}
    assert fake.registrations[0].cancel_fields == fake.calls[1][1]


def test_a_second_cancel_can_be_refused(fake: FakeElevate, register: Post, cancel: Post) -> None:
    fake.cancel_twice = "error"
    registration_id = register().json()["registration_id"]
    cancel(registration_id)
    assert "error_messages" in cancel(registration_id).json()


def test_of_two_registrations_the_newer_one_stays_known_after_the_older_is_cancelled(
    fake: FakeElevate, register: Post, cancel: Post
) -> None:
    older, newer = (register().json()["registration_id"] for _ in range(2))
    cancel(older)
    fake.register_twice = "same_id"
    assert register().json()["registration_id"] == newer
