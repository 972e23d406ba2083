"""The way to a site, against real sockets and certificates: what is seen, and what stopped the look."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from elevate_integration.elevate import network
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.network import Look, Route, look

NOW = datetime.datetime.now(datetime.UTC)


@contextmanager
def listening(context: ssl.SSLContext | None = None, *, answer: bytes = b"") -> Iterator[int]:
    """A server that shakes hands as often as asked, or gives one answer; its port."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                if context is not None:
                    with context.wrap_socket(connection, server_side=True) as secured:
                        secured.recv(1)
                elif answer:
                    heard.append(connection.recv(65_536))
                    connection.sendall(answer)

    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        listening.heard = heard
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


class Authority:
    """A certificate authority and where its certificate lies."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA(organization_name="The Test Authority")
        self.path = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.path)

    def context(
        self, *names: str, ends: datetime.datetime | None = None, begins: datetime.datetime | None = None
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        dates = {"not_before": begins} if begins else {}
        issued = self.ca.issue_cert(*(names or ("127.0.0.1",)), not_after=ends, **dates)
        issued.configure_cert(context)
        return context

    def look(self, port: int, host: str = "127.0.0.1") -> Look:
        return look(Route(f"https://{host}:{port}", self.path), timeout=5)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_good_certificate_is_told_with_issuer_names_and_end(authority: Authority) -> None:
    ends = (NOW + datetime.timedelta(days=12)).replace(microsecond=0)
    with listening(authority.context(ends=ends)) as port:
        seen = authority.look(port)
    assert seen.problem == ""
    assert seen.addresses == seen.answered == ("127.0.0.1",)
    assert seen.silent == ()
    assert seen.protocol.startswith("TLSv1")
    assert seen.issuer == "The Test Authority"
    assert seen.names == ("127.0.0.1",)
    assert seen.expires == ends


def test_an_expired_certificate_is_told(authority: Authority) -> None:
    yesterday = NOW - datetime.timedelta(days=1)
    with listening(authority.context(ends=yesterday, begins=NOW - datetime.timedelta(days=9))) as port:
        seen = authority.look(port)
    assert seen.problem == network.EXPIRED
    assert seen.expires is None
    assert "expired" in seen.detail


def test_a_certificate_for_another_name_is_told(authority: Authority) -> None:
    with listening(authority.context("elevate.example.org")) as port:
        seen = authority.look(port)
    assert seen.problem == network.WRONG_NAME


def test_a_certificate_whose_authority_is_not_trusted_is_told(authority: Authority, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with listening(Authority(other).context()) as port:
        assert authority.look(port).problem == network.UNTRUSTED


def test_a_certificate_that_vouches_for_itself_is_told(authority: Authority, tmp_path: Path) -> None:
    own = trustme.CA()
    pem = tmp_path / "own.pem"
    own.cert_pem.write_to_path(pem)
    own.private_key_pem.write_to_path(pem, append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with listening(context) as port:
        assert authority.look(port).problem == network.SELF_SIGNED


def test_a_server_without_tls_is_told(authority: Authority) -> None:
    with listening(answer=b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert authority.look(port).problem == network.NO_TLS


def test_plain_http_is_followed_to_the_connection_and_nothing_is_sent() -> None:
    with listening() as port:
        seen = look(Route(f"http://127.0.0.1:{port}", ""))
    assert (seen.problem, seen.answered, seen.protocol) == ("", ("127.0.0.1",), "")


def test_a_refused_connection_is_told_with_the_address(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    seen = authority.look(port)
    assert seen.problem == network.UNREACHABLE
    assert seen.silent == ("127.0.0.1",)
    assert "refused" in seen.detail


def test_a_server_that_goes_away_between_two_connections_is_told(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port, connect = listener.getsockname()[1], socket.create_connection

    def connect_and_lose_it(*args: object) -> socket.socket:
        connected = connect(*args)
        listener.close()
        return connected

    monkeypatch.setattr(socket, "create_connection", connect_and_lose_it)
    seen = authority.look(port)
    assert (seen.problem, seen.answered) == (network.UNREACHABLE, ("127.0.0.1",))
    assert "refused" in seen.detail


def test_a_name_that_nobody_has_is_told(authority: Authority) -> None:
    seen = authority.look(443, "elevate.invalid")
    assert seen.problem == network.UNKNOWN_NAME
    assert seen.addresses == ()


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="no http"):
        look(Route("ftp://example.org", ""))


def test_a_proxy_that_refuses_is_told_and_gets_its_password_and_nobody_else_does(
    authority: Authority,
) -> None:
    with listening(answer=b"HTTP/1.1 403 Forbidden\r\n\r\n") as port:
        route = Route("https://elevate.invalid", authority.path, f"http://me:s%3Acret@127.0.0.1:{port}")
        seen = look(route, timeout=5)
        heard = listening.heard[0]
    assert seen.problem == network.PROXY
    assert "403" in seen.detail
    assert heard.startswith(b"CONNECT elevate.invalid:443 ")
    assert b64encode(b"me:s:cret") in heard
    assert route.proxy_name == f"http://127.0.0.1:{port}"
    assert "cret" not in f"{route!r} {seen!r}"


def test_the_certificate_of_a_site_is_looked_at_through_its_proxy(authority: Authority) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        # Who has seen enough hangs up, and may do so before the handshake's last word was read.
        with connection, suppress(OSError):
            heard.append(connection.recv(65_536))
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with authority.context("elevate.invalid").wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        proxy = f"127.0.0.1:{listener.getsockname()[1]}"
        seen = look(Route("https://elevate.invalid", authority.path, proxy), timeout=5)
        thread.join()
    assert (seen.problem, seen.issuer, seen.names) == ("", "The Test Authority", ("elevate.invalid",))
    assert b"Proxy-Authorization" not in heard[0]


def test_for_plain_http_only_the_way_to_the_proxy_is_looked_at() -> None:
    with listening() as port:
        seen = look(Route("http://elevate.invalid", "", f"http://127.0.0.1:{port}"), timeout=5)
    assert (seen.problem, seen.protocol) == ("", "")
    gone = look(Route("http://elevate.invalid", "", f"http://127.0.0.1:{port}"), timeout=5)
    assert gone.problem == network.PROXY


def test_a_proxy_of_another_kind_is_not_tried(authority: Authority) -> None:
    seen = look(Route("https://elevate.invalid", authority.path, "socks5://127.0.0.1:1"))
    assert (seen.problem, seen.detail) == (network.PROXY_KIND, "socks5")


def test_the_client_tells_how_its_calls_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example.org:3128")
    url = "https://elevate.example.org"
    plain = ElevateClient(url=url, api_key="k").route()
    assert (plain.url, plain.proxy) == (url, "")
    assert plain.authorities.endswith(".pem")
    own = ElevateClient(url=url, api_key="k", trust_env=True, ca_bundle=str(tmp_path)).route()
    assert (own.authorities, own.proxy_name) == (str(tmp_path), "http://proxy.example.org:3128")
