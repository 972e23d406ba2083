"""Threads, hooks, pages, TLS, and stopping."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from elevate_integration.testing import FakeElevate
from tests.testing.conftest import CANCEL, KEY, REGISTER, Post, registration


def fake_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fake-elevate")]


def test_many_clients_at_once_lose_and_mix_nothing(fake: FakeElevate) -> None:
    def one(number: int) -> Any:
        fields = registration(remote_user_id=f"M-{number}")
        return requests.post(fake.url + REGISTER, json=fields, timeout=20).json()["registration_id"]

    with ThreadPoolExecutor(32) as pool:
        ids = list(pool.map(one, range(300)))

    assert {held.registration_id: held.remote_user_id for held in fake.registrations} == {
        registration_id: f"M-{number}" for number, registration_id in enumerate(ids)
    }
    assert fake.open_calls == 0
    assert 1 <= fake.max_open_calls <= 32


def test_open_calls_are_counted_while_they_are_open(fake: FakeElevate, http: requests.Session) -> None:
    seen: list[int] = []
    fake.on_call = lambda path, fields: seen.append(fake.open_calls)
    for _ in range(20):
        http.post(fake.url + REGISTER, json=registration(), timeout=10)
        seen.append(fake.open_calls)
    assert seen == [1, 0] * 20
    assert fake.max_open_calls == 1


def test_the_hooks_run_before_and_after_storing(fake: FakeElevate, register: Post, cancel: Post) -> None:
    seen: list[tuple[str, str, int, bool]] = []
    fake.on_call = lambda path, fields: seen.append(("call", path, len(fake.live()), "api_key" in fields))
    fake.after_store = lambda path, fields: seen.append(
        ("store", path, len(fake.live()), "api_key" in fields)
    )
    cancel(register().json()["registration_id"])
    register(remote_product_id="NOPE")

    assert seen == [
        ("call", REGISTER, 0, False),
        ("store", REGISTER, 1, False),
        ("call", CANCEL, 1, False),
        ("store", CANCEL, 0, False),
        ("call", REGISTER, 0, False),
    ]


def test_a_hook_may_call_the_fake_itself(fake: FakeElevate, register: Post) -> None:
    def register_another(path: str, fields: dict[str, Any]) -> None:
        fake.on_call = None
        register(remote_user_id="M-2")

    fake.on_call = register_another
    register(remote_user_id="M-1")
    assert [held.remote_user_id for held in fake.registrations] == ["M-2", "M-1"]


def test_a_hook_that_raises_cuts_the_call_and_says_so(
    fake: FakeElevate, register: Post, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(path: str, fields: dict[str, Any]) -> None:
        raise AssertionError("seen by a hook")

    fake.on_call = fail
    with pytest.raises(requests.ConnectionError):
        register()
    fake.stop()
    assert "seen by a hook" in capfd.readouterr().err


def test_latency_holds_every_call(fake: FakeElevate, register: Post) -> None:
    fake.latency = 0.1
    started = time.monotonic()
    register()
    assert time.monotonic() - started >= 0.1


def test_clear_forgets_everything_but_products_and_switches(
    fake: FakeElevate, register: Post, cancel: Post
) -> None:
    fake.refusal_status = 422
    first = register().json()["registration_id"]
    fake.fail("hang")
    fake.clear()

    assert (fake.registrations, fake.calls, fake.max_open_calls, len(fake.faults)) == ([], [], 0, 0)
    assert cancel(first).status_code == 422
    assert register().json()["registration_id"] > first


@pytest.mark.parametrize("fault", ["hang", "endless", "dribble"])
def test_stop_ends_calls_that_would_never_end(fault: str) -> None:
    fake = FakeElevate(api_key=KEY).start()
    options: dict[str, Any] = {"interval": 60} if fault == "dribble" else {}
    fake.fail(fault, **options)
    host, port = fake.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        body = b'{"api_key": "%b"}' % KEY.encode()
        head = f"POST {REGISTER} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        client.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        while not fake.calls:
            time.sleep(0.01)
        started = time.monotonic()
        fake.stop()
        assert time.monotonic() - started < 2
    assert fake_threads() == []


def test_stop_ends_idle_connections_and_a_handshake_that_was_never_made() -> None:
    fake = FakeElevate(tls=True).start()
    port = int(fake.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10), requests.Session() as session:
        session.trust_env = False
        assert session.get(fake.url, verify=fake.ca_path, timeout=10).status_code == 200
        fake.stop()
    assert fake_threads() == []
    fake.stop()


def test_started_again_it_keeps_its_address_and_registrations(
    fake: FakeElevate, register: Post, http: requests.Session
) -> None:
    url = fake.url
    register()
    fake.stop()
    with pytest.raises(requests.ConnectionError):
        register()
    fake.start()
    assert fake.url == url
    assert "registration_id" in register().json()
    assert len(fake.registrations) == 2


def test_it_has_no_address_before_it_starts() -> None:
    with pytest.raises(RuntimeError, match="start it first"):
        _ = FakeElevate().url


def test_it_does_not_start_twice(fake: FakeElevate) -> None:
    with pytest.raises(RuntimeError, match="already running"):
        fake.start()


def test_tls_is_verified_by_its_own_authority_only(http: requests.Session) -> None:
    with FakeElevate(api_key=KEY, tls=True) as fake:
        answer = http.post(fake.url + REGISTER, json=registration(), verify=fake.ca_path, timeout=10).json()
        assert answer["product_url"].startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            http.post(fake.url + REGISTER, json=registration(), timeout=10)
    assert len(fake.registrations) == 1


def test_without_tls_there_is_no_authority(fake: FakeElevate) -> None:
    assert fake.ca_path is None


def test_the_catalogue_links_products_and_where_to_register(
    fake: FakeElevate, http: requests.Session
) -> None:
    fake.add_product("WXYZ", "Ethics & <law>", "https://ams.example.org/cart/add?sku=7&n=1")
    page = http.get(fake.url + "/", timeout=10)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Ethics &amp; &lt;law&gt;" in page.text
    assert '<a class="button" href="https://ams.example.org/cart/add?sku=7&amp;n=1">Register</a>' in page.text
    assert page.text.count(">Register</a>") == 1
    assert "sku=7&amp;n=1" in http.get(fake.url + "/products/WXYZ", timeout=10).text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/products/NOPE", 404), ("GET", "/x", 404), ("GET", REGISTER, 405), ("DELETE", "/", 405),
     ("GET", "/_fake/x", 404), ("POST", "/_fake/registrations", 400), ("POST", "/_fake/calls", 404), ("PUT", "/", 501)],
)  # fmt: skip
def test_other_requests_are_turned_away(
    fake: FakeElevate, http: requests.Session, method: str, path: str, status: int
) -> None:
    assert http.request(method, fake.url + path, timeout=10).status_code == status


def test_it_shows_what_it_holds_but_never_the_key(
    fake: FakeElevate, http: requests.Session, register: Post, cancel: Post
) -> None:
    cancel(register(member_type="student").json()["registration_id"])
    register(api_key="another-secret")
    held = http.get(fake.url + "/_fake/registrations", timeout=10)
    calls = http.get(fake.url + "/_fake/calls", timeout=10)

    (shown,) = held.json()["registrations"]
    assert shown["cancelled"] is True
    assert (shown["email"], shown["member_type"]) == ("ada@example.org", "student")
    assert shown["registration_id"] == fake.registrations[0].registration_id
    assert shown["cancel_fields"]["cancellation_explanation"] == "Refunded"
    assert [call["path"] for call in calls.json()["calls"]] == [REGISTER, CANCEL, REGISTER]
    for text in (held.text, calls.text, repr(fake.registrations), repr(fake.calls)):
        assert KEY not in text
        assert "another-secret" not in text
