"""Addresses that staff type and the server asks: none of them reaches into the own network (SSRF)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.test import Client

from elevate_integration.elevate import addresses
from elevate_integration.models import ProductMapping
from tests.rows import make_mapping

OUTSIDE = "93.184.216.34"


@pytest.fixture
def inner() -> Iterator[Any]:
    """A server inside the own network, and what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = asked
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def nobody(host: str) -> bool:
    return False


def resolving(*answers: list[str]) -> Callable[..., Any]:
    """A name server that answers so, one question after the other; the last answer stays."""
    left = list(answers)

    def getaddrinfo(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, int(port)))
            for one in found
        ]

    return getaddrinfo


def test_a_name_that_first_lies_outside_and_then_inside_is_not_asked(
    inner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving([OUTSIDE], ["127.0.0.1"]))
    tried: list[Any] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        tried.append(address[0])
        if address[0] == OUTSIDE:
            raise ConnectionRefusedError(111, "Connection refused")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    assert addresses.check(f"http://rebinds.example:{inner.server_port}/", is_own=nobody) != ""
    assert inner.asked == []
    assert "127.0.0.1" not in tried


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1",
        "10.0.0.5",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_no_way_of_writing_an_inner_address_is_asked(monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving([OUTSIDE, inside]))
    assert addresses.check("http://mixed.example/", is_own=nobody) == addresses.INSIDE


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://127.0.0.1%2f@localhost:{port}/",
        "http://outside.example@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@outside.example/",
        "http://127.0.0.1:{port}#@outside.example/",
    ],
)
def test_no_spelling_of_an_inner_address_is_asked(inner: Any, url: str) -> None:
    assert addresses.check(url.format(port=inner.server_port), is_own=nobody) != ""
    assert inner.asked == []


def test_the_metadata_of_a_cloud_is_not_asked_even_on_a_host_of_the_site(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving(["169.254.169.254"]))
    assert addresses.check("http://ams.example/", is_own=lambda host: True) == addresses.INSIDE


@pytest.mark.django_db
def test_a_host_that_the_browser_names_is_not_taken_for_ones_own(
    admin_client: Client, settings: Any, inner: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    make_mapping(remote_registration_url=f"http://127.0.0.1:{inner.server_port}/")
    admin_client.post(
        "/admin/elevate_integration/productmapping/check/", headers={"host": f"127.0.0.1:{inner.server_port}"}
    )
    assert ProductMapping.objects.get().url_problem == addresses.INSIDE
    assert inner.asked == []
