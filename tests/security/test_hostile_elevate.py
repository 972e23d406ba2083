"""An Elevate, or whoever answers in its place, that means harm: what it sends ends the call and nothing else."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.errors import (
    ElevateError,
    NotSent,
    OutcomeUnknown,
    Refused,
    ReportUnreadable,
)
from elevate_integration.elevate.payloads import CancelRequest, RegisterRequest
from elevate_integration.elevate.reports import ReportRequest

KEY = "the-site's-key"
ASK = RegisterRequest("M-1", "Ada", "Sample", "ada@example.org", "ABCD1234", "0.00")
CANCEL = CancelRequest("5")
DAY = ReportRequest(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001 - Elevate's own wall clock
CALLS = {"register": ASK, "cancel": CANCEL, "report": DAY}


@contextmanager
def answering(answer: bytes, *, connections: int = 1) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives this to whoever connects: its address, and what it was sent."""
    received: list[bytes] = []

    def serve() -> None:
        for _ in range(connections):
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                received.append(_whole_request(connection))
                try:
                    connection.sendall(answer)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _whole_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def outcome(url: str, call: str = "register", **options: Any) -> Any:
    """Make a call; gives its answer or its error."""
    client = ElevateClient(url=url, api_key=KEY, **{"read_timeout": 10.0, "deadline": 10.0, **options})
    try:
        return getattr(client, call)(CALLS[call])
    except ElevateError as error:
        return error
    finally:
        client.close()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_to_another_server_takes_no_key_there(status: str, call: str) -> None:
    with answering(http(b"{}")) as (metadata, asked):
        location = f"Location: {metadata}/latest/meta-data/iam/security-credentials/"
        with answering(http(b"", location, f"Refresh: 0; url={metadata}", status=status)) as (url, _received):
            assert isinstance(outcome(url, call), ElevateError)
        assert asked == []


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 300_000,
        b'{"a":' * 300_000,
        b"[" * 300_000 + b"]" * 300_000,
        b'{"error_messages":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"registration_id": ' + b"9" * 500_000 + b"}",
        b'{"registration_id": 1e999999}',
        b'{"response": {"items": ' + b"[" * 100_000 + b"]" * 100_000 + b', "count": 1}}',
        b'{"response": {"items": [], "count": ' + b"9" * 100_000 + b"}}",
        b'"' + b"\\ud800" * 50_000 + b'"',
        b"\x00" * 500_000,
        b"\xff\xfe" * 200_000,
        b"",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_json_that_is_made_to_break_readers_ends_the_call_alone(body: bytes, call: str) -> None:
    with answering(http(body)) as (url, _received):
        found = outcome(url, call)
    # An empty answer of 2xx, and one without `error_messages`, is a cancellation done: the vendor documents no other.
    if call != "cancel":
        assert isinstance(found, OutcomeUnknown | Refused | ReportUnreadable)
    assert len(found.body) <= 4_000


@pytest.mark.parametrize("call", CALLS)
def test_a_compressed_bomb_is_not_unpacked(call: str) -> None:
    bomb = gzip.compress(b'{"registration_id": 5, "padding": "' + b"x" * 50_000_000 + b'"}')
    with answering(http(bomb, "Content-Encoding: gzip")) as (url, received):
        found = outcome(url, call)
    assert b"accept-encoding: identity" in received[0].lower()
    assert len(found.body) <= 4_000
    assert "xxxx" not in found.body
    assert call == "cancel" or isinstance(found, ElevateError)


def test_a_message_of_a_million_parts_is_kept_in_part() -> None:
    body = json.dumps({"error_messages": {f"field {n}": "no" * 1000 for n in range(400)}}).encode()
    with answering(http(body)) as (url, _received):
        found = outcome(url)
    assert isinstance(found, Refused)
    assert len(found.messages) == 20
    assert max(len(text) for _field, text in found.messages) <= 500


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//evil.example/",
        "https://x.example/\r\nSet-Cookie: a=b",
        "https://x.example/<script>",
        'https://x.example/" onclick="alert(1)',
        "https://x.example/" + "a" * 600,
        "vbscript:x",
        "https:///nowhere",
        ["https://x.example/"],
    ],
)
def test_an_address_that_is_none_becomes_no_link(address: Any) -> None:
    body = json.dumps({"registration_id": 5, "product_url": address}).encode()
    with answering(http(body)) as (url, _received):
        found = outcome(url)
    assert found.registration_id == "5"
    assert found.product_url == ""


EVIL = 'x\r\nX-Evil: 1\r\n\r\n{"a": "b"}\u2028\x00'


def test_no_text_of_an_order_gets_out_of_the_body() -> None:
    ask = RegisterRequest(EVIL, EVIL, EVIL, EVIL, EVIL, "0.00", extra={EVIL: EVIL, "api_key": "mine"})
    with answering(http(b'{"registration_id": 5}')) as (url, received):
        client = ElevateClient(url=url, api_key=KEY)
        client.register(ask)
        client.close()
    head, _, body = received[0].partition(b"\r\n\r\n")
    assert b"evil" not in head.lower()
    assert len(received) == 1
    sent = json.loads(body)
    assert sent["api_key"] == KEY
    assert sent["firstname"] == sent[EVIL] == EVIL


@pytest.mark.parametrize(
    "options",
    [
        {"register_path": "/a\r\nX-Evil: 1"},
        {"register_path": "//evil.example/a"},
        {"register_path": "/a HTTP/1.1\r\nX-Evil: 1\r\n\r\n"},
        {"register_path": "@evil.example/"},
    ],
)
def test_no_path_in_the_settings_becomes_a_header_or_another_host(options: dict[str, str]) -> None:
    with answering(http(b'{"registration_id": 5}')) as (url, received):
        outcome(url, **options)
    head = received[0].partition(b"\r\n\r\n")[0]
    assert not [line for line in head.split(b"\r\n")[1:] if line.lower().startswith(b"x-evil")]
    assert [line for line in head.split(b"\r\n") if line.lower().startswith(b"host: 127.0.0.1")]


def test_an_agent_that_would_be_two_headers_is_not_sent() -> None:
    with answering(http(b'{"registration_id": 5}')) as (url, received):
        found = outcome(url, user_agent="x\r\nX-Evil: 1")
        assert isinstance(found, NotSent)
    assert received == []
