"""Reports over real HTTP, with and without TLS."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.errors import ReportUnreadable
from elevate_integration.elevate.reports import Report, ReportFields, ReportLine, ReportRequest
from elevate_integration.testing import FakeElevate

from .conftest import ASK, KEY, ClientFactory

PATH = "/api/reports"
NOON = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
THAT_DAY = ReportRequest(datetime(2025, 3, 1), datetime(2025, 3, 1, 23, 59, 59))  # noqa: DTZ001 - the site's wall clock


def failure(call: Callable[[], Report]) -> ReportUnreadable:
    with pytest.raises(ReportUnreadable) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("flat", [False, True])
def test_what_was_registered_is_read_back(
    make_client: ClientFactory, elevate: FakeElevate, flat: bool
) -> None:
    elevate.add_product("ABCD1234", "Ethics")
    elevate.clock = lambda: NOON
    elevate.reports.flat = flat
    client = make_client()
    answer = client.register(replace(ASK, amount_paid="25.50"))
    report = client.report(THAT_DAY)
    assert report.lines == (
        ReportLine(
            report_id=answer.registration_id,
            transaction_at=datetime(2025, 3, 1, 12, 0),  # noqa: DTZ001
            remote_product_id="ABCD1234",
            product_title="Ethics",
            remote_user_id=ASK.remote_user_id,
            email=ASK.email,
            price=Decimal("25.50"),
        ),
    )
    assert (report.count, report.cut) == (1, False)
    assert report.duration > 0


def test_another_day_is_empty(client: ElevateClient, elevate: FakeElevate) -> None:
    elevate.clock = lambda: NOON.replace(day=2)
    client.register(ASK)
    assert client.report(THAT_DAY).lines == ()


def test_what_elevate_cuts_is_told(client: ElevateClient, elevate: FakeElevate) -> None:
    elevate.reports.limit = 1
    for number in range(3):
        elevate.add_registration("ABCD1234", email=f"{number}@example.org", at=NOON)
    report = client.report(THAT_DAY)
    assert (len(report.lines), report.count, report.cut) == (1, 3, True)


def test_a_site_that_spells_a_field_otherwise_says_so_and_can_be_followed(
    client: ElevateClient, elevate: FakeElevate
) -> None:
    elevate.reports.fields["user.remote_id"] = elevate.reports.fields.pop("user.member_id")
    elevate.add_registration("ABCD1234", email="eve@example.org", remote_user_id="M-7", at=NOON)
    error = failure(lambda: client.report(THAT_DAY))
    assert (error.trouble, error.field, error.status_code) == ("unknown_field", "user_id", 500)
    names = ReportFields.from_mapping({"user_id": "user.remote_id"})
    assert [line.remote_user_id for line in client.report(replace(THAT_DAY, names=names)).lines] == ["M-7"]


@pytest.mark.parametrize("retry_after", [None, 7])
def test_whoever_hurries_is_told_so(
    client: ElevateClient, elevate: FakeElevate, retry_after: int | None
) -> None:
    elevate.reports.pause, elevate.reports.retry_after = 3600, retry_after
    client.report(THAT_DAY)
    error = failure(lambda: client.report(THAT_DAY))
    assert (error.trouble, error.retry_after) == ("hurried", retry_after)


def test_reports_are_asked_for_without_the_slash_that_would_be_redirected(
    make_client: ClientFactory, elevate: FakeElevate
) -> None:
    make_client(report_path=PATH + "/").report(THAT_DAY)
    assert [path for path, _ in elevate.calls] == [PATH]


def test_a_redirect_is_not_followed(client: ElevateClient, elevate: FakeElevate) -> None:
    with FakeElevate(api_key=KEY) as other:
        elevate.fail("status", status=308, headers={"Location": other.url + PATH})
        error = failure(lambda: client.report(THAT_DAY))
        assert (error.trouble, error.status_code) == ("wrong_address", 308)
        assert other.calls == []


def test_an_address_with_nothing_behind_it_is_told(make_client: ClientFactory) -> None:
    error = failure(lambda: make_client(report_path="/reports").report(THAT_DAY))
    assert error.trouble == "wrong_address"
    assert "/reports" in str(error)


@pytest.mark.parametrize("status", [200, 401, 403, 500])
def test_reports_can_have_a_key_of_their_own(
    make_client: ClientFactory, elevate: FakeElevate, status: int
) -> None:
    elevate.wrong_key_status = status
    elevate.reports.key = "the/reports' own"
    error = failure(lambda: make_client().report(THAT_DAY))
    assert (error.trouble, error.status_code) == ("key_refused", status)
    client = make_client(report_key="the/reports' own")
    assert client.report(THAT_DAY).lines == ()
    assert client.register(ASK).registration_id


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("status", {"status": 429, "headers": {"Retry-After": "7"}}, "hurried"),
    ("status", {"status": 500}, "unreadable"),
    ("store_then_status", {"status": 503}, "unreadable"),
    ("status", {"status": 204}, "unreadable"),
    ("html", {}, "unreadable"),
    ("refuse", {"message": "No", "field": "resource"}, "unreadable"),
    ("echo_key", {}, "key_refused"),
    ("huge", {"size": 100_000}, "cut_short"),
    ("endless", {}, "cut_short"),
    ("close_half", {}, "cut_short"),
    ("garbage", {}, "unreadable"),
    ("wrong_type", {}, "unreadable"),
    ("dribble", {"interval": 0.2}, "cut_short"),
    ("hang", {}, "not_reached"),
    ("reset_before_reading", {}, "not_reached"),
    ("reset_after_storing", {}, "not_reached"),
]


@pytest.mark.parametrize(("fault", "options", "trouble"), FAULTS, ids=lambda value: str(value)[:40])
def test_no_fault_is_taken_for_an_empty_day_and_the_next_report_is_sound(
    make_client: ClientFactory, elevate: FakeElevate, fault: str, options: dict[str, Any], trouble: str
) -> None:
    elevate.add_registration("ABCD1234", email="eve@example.org", at=NOON)
    client = make_client(report_deadline=1.0, report_max_body=50_000)
    elevate.fail(fault, **options)
    error = failure(lambda: client.report(THAT_DAY))
    assert error.trouble == trouble
    assert error.outcome == "not_sent"
    client._report_deadline = 30.0
    assert len(client.report(THAT_DAY).lines) == 1


def test_an_answer_that_is_slow_to_begin_is_waited_for_longer_than_a_registrations(
    make_client: ClientFactory, elevate: FakeElevate
) -> None:
    elevate.latency = 0.5
    assert make_client(read_timeout=0.1, deadline=0.2).report(THAT_DAY).lines == ()


def test_a_large_report_is_read_although_a_registrations_answer_may_not_be_so_long(
    make_client: ClientFactory, elevate: FakeElevate
) -> None:
    for number in range(200):
        elevate.add_registration("ABCD1234", email=f"{number}@example.org", at=NOON)
    assert len(make_client(max_body=1000).report(THAT_DAY).lines) == 200


def test_a_site_that_is_down_was_not_reached(make_client: ClientFactory, elevate: FakeElevate) -> None:
    client = make_client()
    elevate.stop()
    error = failure(lambda: client.report(THAT_DAY))
    assert error.trouble == "not_reached"
    assert not error.concerns_every_report
    assert "ConnectionRefusedError" in str(error)


@pytest.mark.parametrize("fault", ["echo_key", "reset_after_storing", "garbage"])
def test_a_failure_shows_neither_the_key_nor_a_person(
    make_client: ClientFactory, elevate: FakeElevate, fault: str
) -> None:
    elevate.add_registration("ABCD1234", email="eve@example.org", at=NOON)
    elevate.reports.key = "the/reports' own"
    client = make_client(report_key="the/reports' own")
    elevate.fail(fault)
    error = failure(lambda: client.report(THAT_DAY))
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for secret in (KEY, "the/reports", "eve@example.org"):
        assert secret not in shown + error.body + str(error.messages) + repr(vars(client))
