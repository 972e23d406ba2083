"""The fake's reports: the answers that were seen, and the switches for what was not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from elevate_integration.testing import FakeElevate

from .conftest import KEY, REGISTER, Post, registration

REPORTS = "/api/reports"
NOON = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
# The fields that the vendor's article asks for, nested and flat.
FIELDS: dict[str, Any] = {
    "id": True,
    "transaction_at": True,
    "price_after_discount": True,
    "user.email": True,
    "product": {"title": True, "remote_product_id": True},
}

Ask = Callable[..., requests.Response]


def question(since: str = "2000-01-01 00:00:00", until: str = "2100-01-01 00:00:00", **changes: Any) -> Any:
    return {
        "api_key": KEY,
        "format": "json",
        "labels": False,
        "resource": "productRegistration",
        "fields": FIELDS,
        "filters": {"transaction_at": {">=": since, "<=": until}},
        **changes,
    }


@pytest.fixture
def ask(fake: FakeElevate, http: requests.Session) -> Ask:
    def post(*bounds: str, **changes: Any) -> requests.Response:
        return http.post(fake.url + REPORTS, json=question(*bounds, **changes), timeout=10)

    return post


def items(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["response"]["items"]
    return found


def test_a_registration_is_reported_with_the_fields_that_were_asked_for(
    fake: FakeElevate, register: Post, ask: Ask
) -> None:
    fake.add_product("ABCD1234", "Ethics")
    fake.clock = lambda: NOON
    registration_id = register(amount_paid="25.5").json()["registration_id"]

    response = ask().json()["response"]
    assert response["items"] == [
        {
            "id": registration_id,
            "transaction_at": "2025-03-01 12:00:00",
            "price_after_discount": "25.50",
            "user": {"email": "ada@example.org"},
            "product": {"title": "Ethics", "remote_product_id": "ABCD1234"},
        }
    ]
    assert response["count"] == 1


def test_fields_of_a_relation_can_come_flat(fake: FakeElevate, register: Post, ask: Ask) -> None:
    register()
    fake.reports.flat = True
    assert items(ask(fields={"user.email": True, "product": {"title": True}})) == [
        {"user.email": "ada@example.org", "product.title": "ABCD1234"}
    ]


def test_both_ends_of_the_time_belong_to_it_by_the_wall_clock_of_the_site(
    fake: FakeElevate, register: Post, ask: Ask
) -> None:
    fake.clock = lambda: NOON
    register()
    fake.reports.zone = ZoneInfo("America/New_York")

    assert len(items(ask("2025-03-01 07:00:00", "2025-03-01 07:00:00"))) == 1
    assert items(ask("2025-03-01 07:00:01")) == []
    assert items(ask("2000-01-01 00:00:00", "2025-03-01 06:59:59")) == []


def test_an_answer_is_cut_and_tells_how_many_there_are(fake: FakeElevate, register: Post, ask: Ask) -> None:
    for number in range(3):
        register(remote_user_id=f"M-{number}")
    fake.reports.limit = 2

    response = ask().json()["response"]
    assert (len(response["items"]), response["count"]) == (2, 3)


def test_one_unknown_field_fails_the_whole_question(fake: FakeElevate, register: Post, ask: Ask) -> None:
    register()
    fake.reports.fields["user.remote_id"] = fake.reports.fields.pop("user.member_id")

    response = ask(fields={**FIELDS, "user": {"member_id": True}})
    assert response.status_code == 500
    assert response.json() == {"error": {"message": "Field user.member_id doesn't exist"}}
    assert items(ask(fields={"user.remote_id": True})) == [{"user": {"remote_id": "M-1001"}}]


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": "user"},
        {"format": "csv"},
        {"fields": ["id"]},
        {"filters": []},
        {"filters": {"transaction_at": "today"}},
        {"filters": {"transaction_at": {">=": "yesterday"}}},
        {"filters": {"transaction_at": {">=": 7}}},
        {"filters": {"transaction_at": {"~": "2025-01-01 00:00:00"}}},
        {"filters": {"cancelled": {"=": "2025-01-01 00:00:00"}}},
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_is_an_error(ask: Ask, changes: dict[str, Any]) -> None:
    response = ask(**changes)
    assert (response.status_code, list(response.json())) == (500, ["error"])


def test_the_status_of_an_error_is_switchable(fake: FakeElevate, ask: Ask) -> None:
    fake.reports.error_status = 200
    assert ask(resource="user").status_code == 200


def test_whoever_asks_too_soon_is_turned_away(fake: FakeElevate, ask: Ask) -> None:
    fake.reports.pause = 3600
    assert ask().status_code == 200
    assert (ask().status_code, ask().headers.get("Retry-After")) == (429, None)
    fake.reports.retry_after = 7
    assert ask().headers["Retry-After"] == "7"
    fake.reports.pause = 0
    assert ask().status_code == 200


def test_reports_may_have_a_key_of_their_own(fake: FakeElevate, register: Post, ask: Ask) -> None:
    assert ask(api_key="wrong").status_code == 401
    fake.reports.key = "the-reports-own"
    assert "error" in ask().json()
    assert ask(api_key="the-reports-own").status_code == 200
    assert "registration_id" in register().json()


def test_the_slash_form_is_moved(fake: FakeElevate, http: requests.Session) -> None:
    for method, body in (("POST", question()), ("GET", None)):
        response = http.request(
            method, fake.url + REPORTS + "/", json=body, timeout=10, allow_redirects=False
        )
        assert (response.status_code, response.headers["Location"]) == (301, REPORTS)


def test_a_page_lists_the_fields_of_the_site(fake: FakeElevate, http: requests.Session) -> None:
    fake.reports.fields["user.remote_id"] = fake.reports.fields.pop("user.member_id")
    page = http.get(fake.url + REPORTS, timeout=10).text
    assert "user.remote_id" in page
    assert "user.member_id" not in page


def test_what_was_registered_at_elevate_itself_is_reported(fake: FakeElevate, ask: Ask) -> None:
    fake.add_registration("", email="eve@example.org", amount_paid="5", product_title="Webinar", at=NOON)
    (item,) = items(ask(fields={**FIELDS, "user": {"member_id": True}}))
    assert item["product"] == {"title": "Webinar", "remote_product_id": None}
    assert item["user"] == {"email": "eve@example.org", "member_id": None}
    assert (item["transaction_at"], item["price_after_discount"]) == ("2025-03-01 12:00:00", "5.00")


@pytest.mark.parametrize("given", [{"at": datetime(2025, 1, 1)}, {"amount_paid": "free"}], ids=str)  # noqa: DTZ001
def test_a_registration_that_could_not_be_reported_is_not_taken(
    fake: FakeElevate, given: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"must be|needs"):
        fake.add_registration("ABCD1234", email="eve@example.org", **given)
    assert fake.registrations == []


def test_cancelled_hidden_and_stored_away_registrations_vanish(
    fake: FakeElevate, register: Post, cancel: Post, ask: Ask
) -> None:
    fake.add_product("WXYZ")
    cancelled, hidden, kept = (
        register(remote_user_id=f"M-{number}").json()["registration_id"] for number in range(3)
    )
    register(remote_product_id="WXYZ")
    cancel(cancelled)
    fake.change_registration(hidden, hidden=True)
    fake.reports.cold_storage.add("WXYZ")
    assert [item["id"] for item in items(ask())] == [kept]

    fake.reports.cancelled = True
    fake.reports.cold_storage.clear()
    assert len(items(ask())) == 3


def test_a_transferred_registration_is_somebody_elses(fake: FakeElevate, register: Post, ask: Ask) -> None:
    registration_id = register().json()["registration_id"]
    fake.change_registration(registration_id, remote_user_id="M-2002", email="eve@example.org")
    assert items(ask(fields={"user": {"member_id": True, "email": True}})) == [
        {"user": {"member_id": "M-2002", "email": "eve@example.org"}}
    ]


def test_the_reports_id_need_not_be_the_registrations(fake: FakeElevate, register: Post, ask: Ask) -> None:
    registration_id = register().json()["registration_id"]
    fake.reports.fields["id"] = lambda row: row.held.registration_id + 1
    assert items(ask(fields={"id": True})) == [{"id": registration_id + 1}]


def test_a_report_can_be_spoiled_alone(fake: FakeElevate, register: Post, ask: Ask) -> None:
    fake.fail("status", status=503, path=REPORTS)
    assert register().status_code == 200
    assert ask().status_code == 503
    assert ask().status_code == 200


def test_a_registration_can_be_added_while_it_runs(fake: FakeElevate, http: requests.Session) -> None:
    url = fake.url + "/_fake/registrations"
    given = {"remote_product_id": "ABCD1234", "email": "eve@example.org", "at": "2025-03-01T12:00:00Z"}
    assert http.post(url, json=given, timeout=10).json()["email"] == "eve@example.org"
    assert [held.registered_at for held in fake.registrations] == [NOON]
    for wrong in ({"email": "eve@example.org"}, {**given, "at": "noon"}, {**given, "at": "2025-03-01"}, 7):
        assert http.post(url, json=wrong, timeout=10).status_code == 400
    assert len(http.get(url, timeout=10).json()["registrations"]) == 1


def test_a_question_is_among_the_calls_without_its_key(
    fake: FakeElevate, http: requests.Session, ask: Ask
) -> None:
    ask()
    http.post(fake.url + REGISTER, json=registration(), timeout=10)
    assert [path for path, _ in fake.calls] == [REPORTS, REGISTER]
    assert "api_key" not in fake.calls[0][1]
