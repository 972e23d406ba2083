"""Whether an address answers: every way in which one can fail, over real HTTP, and what is never asked."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from elevate_integration.elevate import addresses


class Page(BaseHTTPRequestHandler):
    """Answers by path; remembers every request's headers."""

    seen: list[tuple[str, dict[str, str]]]
    hold: threading.Event

    def do_GET(self) -> None:
        self.seen.append((self.path, dict(self.headers)))
        if self.path == "/hang":
            self.hold.wait(30)
            return
        code, target = {
            "/ok": (200, ""),
            "/gone": (404, ""),
            "/broken": (500, ""),
            "/moved": (302, "/ok"),
            "/moved-away": (302, "http://localhost:9/inside"),
            "/script": (302, "javascript:alert(1)"),
            "/file": (302, "file:///etc/passwd"),
            "/circle": (302, "/circle"),
        }[self.path]
        self.send_response(code)
        if target:
            self.send_header("Location", target)
        self.send_header("Set-Cookie", "cart=1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Any]:
    hold = threading.Event()
    handler = type("Handler", (Page,), {"seen": [], "hold": hold})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.seen = handler.seen
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


def own(host: str) -> bool:
    return host == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/ok", ""),
        ("/moved", ""),
        ("/gone", "status:404"),
        ("/broken", "status:500"),
        ("/circle", addresses.REDIRECTS),
        ("/moved-away", addresses.INSIDE),
        ("/script", addresses.INVALID),
        ("/file", addresses.INVALID),
    ],
)
def test_what_an_address_answers(site: Any, path: str, problem: str) -> None:
    assert addresses.check(site.url + path, is_own=own) == problem


def test_a_page_that_does_not_answer_is_a_time_out(site: Any) -> None:
    assert addresses.check(f"{site.url}/hang", is_own=own, timeout=0.2) == addresses.TIMEOUT


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://example.org/",
        "ftp://example.org:21/",
        "javascript:alert(1)",
        "http://",
        "http://[::",
        "http://a:b/",
        "http://*.example.org/",
    ],
)
def test_what_is_no_web_address_is_not_asked(url: str) -> None:
    assert addresses.check(url, is_own=own) == addresses.INVALID


def test_redirects_are_not_followed_any_further_when_the_time_is_up(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten seconds pass between any two looks at the clock.
    monkeypatch.setattr(addresses, "monotonic", itertools.count(0, 10).__next__)
    assert addresses.check(f"{site.url}/moved", is_own=own, timeout=5.0) == addresses.TIMEOUT
    assert [path for path, _headers in site.seen] == ["/moved"]


def test_a_server_that_takes_no_connection_is_a_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # Whoever comes after these is not let in, and is not told so either.
        callers = [socket.socket() for _number in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        address = f"http://127.0.0.1:{full.getsockname()[1]}/"
        assert addresses.check(address, is_own=own, timeout=0.2) == addresses.TIMEOUT
        for caller in callers:
            caller.close()


def test_an_address_inside_the_own_network_is_not_asked(site: Any) -> None:
    assert addresses.check(f"{site.url}/ok", is_own=lambda host: False) == addresses.INSIDE
    assert addresses.check("http://169.254.169.254/latest", is_own=own) == addresses.INSIDE
    assert addresses.check("http://[::1]/", is_own=own) == addresses.INSIDE
    assert site.seen == []


def test_nothing_of_ours_goes_along(site: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    address = site.url.replace("http://", "http://user:secret@")
    assert addresses.check(f"{address}/moved", is_own=own) == ""
    assert [path for path, _headers in site.seen] == ["/moved", "/ok"]
    for _path, headers in site.seen:
        assert not {"Authorization", "Cookie"} & headers.keys()


def test_a_certificate_of_nobody_known_is_told(site: Any) -> None:
    import ssl

    trustme = pytest.importorskip("trustme")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    url = site.url.replace("http://", "https://")
    assert addresses.check(f"{url}/ok", is_own=own) == addresses.CERTIFICATE


def test_a_closed_port_cannot_be_reached() -> None:
    assert addresses.check("http://127.0.0.1:9/", is_own=own) == addresses.UNREACHABLE


def test_a_name_that_nobody_has_is_told() -> None:
    assert addresses.check("http://nobody.invalid/", is_own=own) == addresses.UNKNOWN_HOST
    assert addresses.check("http://nobody.invalid/", is_own=lambda host: True) in (
        addresses.UNKNOWN_HOST,
        addresses.UNREACHABLE,
    )


def test_many_are_asked_once_each_and_side_by_side(site: Any) -> None:
    urls = [f"{site.url}/ok", f"{site.url}/ok", f"{site.url}/gone"]
    found = addresses.check_many(urls, is_own=own)
    assert found == {f"{site.url}/ok": "", f"{site.url}/gone": "status:404"}
    assert len(site.seen) == 2
    assert addresses.check_many([], is_own=own) == {}


def test_one_that_hangs_ends_with_the_time_for_all_and_what_was_not_begun_is_left_out(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_THREADS", 1)
    urls = [f"{site.url}/hang", f"{site.url}/ok"]
    assert addresses.check_many(urls, is_own=own, timeout=20, seconds=0.3) == {
        f"{site.url}/hang": addresses.TIMEOUT
    }
