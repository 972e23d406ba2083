"""Every error is a problem (RFC 9457), the host's own error format stays, and the pace and CSRF are kept."""

from __future__ import annotations

import base64

import pytest
from django.contrib.auth import get_user_model
from rest_framework.settings import api_settings
from rest_framework.test import APIClient

from tests.api.conftest import log_in

LIST = "/api/v1/registrations/"


def is_problem(answer, status: int, code: str) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    told = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= told.keys()
    assert (told["type"], told["status"], told["code"]) == ("about:blank", status, code)
    assert told["detail"]


def test_every_kind_of_error_is_a_problem(boss, row):
    one = row()
    cancel = f"{LIST}{one.pk}/cancel/"
    stranger = log_in("eve@example.org")
    is_problem(boss.get(f"{LIST}?status=gone"), 400, "invalid")
    is_problem(boss.post(cancel, "{", content_type="application/json"), 400, "parse_error")
    is_problem(boss.post(cancel, b"\xff", content_type="application/json"), 400, "parse_error")
    is_problem(APIClient().get(LIST), 401, "not_authenticated")
    is_problem(stranger.get(LIST), 403, "permission_denied")
    is_problem(boss.get(f"{LIST}999/"), 404, "not_found")
    is_problem(boss.get("/api/v1/nothing/here"), 404, "not_found")
    is_problem(boss.put("/api/v2/"), 404, "not_found")
    is_problem(boss.get("/api/v1/registrations"), 404, "not_found")
    is_problem(boss.put(LIST, {}, format="json"), 405, "method_not_allowed")
    is_problem(boss.delete(f"{LIST}{one.pk}/"), 405, "method_not_allowed")
    is_problem(boss.options(LIST), 405, "method_not_allowed")
    is_problem(boss.trace(LIST), 405, "method_not_allowed")
    is_problem(boss.get(LIST, headers={"Accept": "text/html"}), 406, "not_acceptable")
    is_problem(
        boss.post(cancel, "a=1", content_type="application/x-www-form-urlencoded"),
        415,
        "unsupported_media_type",
    )


def test_a_refused_method_names_those_that_are_allowed(boss):
    assert boss.put("/api/v1/mappings/", {}, format="json")["Allow"] == "GET, POST, HEAD"
    assert boss.get("/api/v1/orders/1/sync/")["Allow"] == "POST"


def test_a_method_that_is_not_there_says_nothing_to_strangers():
    assert APIClient().put(LIST).status_code == 401


def test_who_is_not_known_is_told_how_to_log_in():
    assert APIClient().get(LIST)["WWW-Authenticate"].startswith("Basic")


def test_the_hosts_own_error_format_stays_as_it_is():
    assert api_settings.EXCEPTION_HANDLER.__module__ == "rest_framework.views"


def test_a_session_needs_a_csrf_token_to_change_anything(boss, row):
    one = row()
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.get(email="boss@example.org"))
    assert client.get(LIST).status_code == 200
    answer = client.post(f"{LIST}{one.pk}/cancel/")
    is_problem(answer, 403, "permission_denied")
    assert "CSRF" in answer.json()["detail"]
    one.refresh_from_db()
    assert one.wanted


def test_a_password_needs_none(row):
    get_user_model().objects.create_superuser("boss@example.org", "secret")
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION="Basic " + base64.b64encode(b"boss@example.org:secret").decode())
    assert client.post(f"{LIST}{row().pk}/cancel/").status_code == 200
    client.credentials(HTTP_AUTHORIZATION="Basic " + base64.b64encode(b"boss@example.org:wrong").decode())
    is_problem(client.get(LIST), 401, "authentication_failed")


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_pace_is_kept_for_each_log_in_and_settable(boss, row, settings, method):
    rates = {"elevate_read": "2/min", "elevate_act": "2/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    address = LIST if method == "get" else f"{LIST}{row().pk}/resync/"
    answers = [getattr(boss, method)(address) for _ in range(3)]
    assert [answer.status_code == 429 for answer in answers] == [False, False, True]
    is_problem(answers[-1], 429, "throttled")
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    assert getattr(log_in("eve@example.org"), method)(address).status_code == 403
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"elevate_read": None, "elevate_act": None},
    }  # fmt: skip
    assert getattr(boss, method)(address).status_code != 429


def test_reading_and_acting_are_counted_apart(boss, row, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"elevate_read": "1/min"},
    }  # fmt: skip
    boss.get(LIST)
    assert boss.get(LIST).status_code == 429
    assert boss.post(f"{LIST}{row().pk}/cancel/").status_code == 200
