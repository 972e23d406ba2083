"""Looks at the way to a web address without asking it anything: name, connection, certificate. Knows no Django.

No request is sent and no key is known here. Certificates are checked as for every call, and one that fails is not
looked at any further: a connection that nobody vouches for is never opened.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

# What stopped the look; "" when it came to the end.
UNKNOWN_NAME = "unknown_name"
UNREACHABLE = "unreachable"
PROXY = "proxy"
PROXY_KIND = "proxy_kind"
NO_TLS = "no_tls"
EXPIRED = "expired"
NOT_YET_VALID = "not_yet_valid"
SELF_SIGNED = "self_signed"
UNTRUSTED = "untrusted"
WRONG_NAME = "wrong_name"
CERTIFICATE = "certificate"

_ADDRESSES = 8
_PORTS = {"http": 80, "https": 443}
# OpenSSL's numbers, `X509_V_ERR_…` in x509_vfy.h.
_VERIFY = {
    9: NOT_YET_VALID,
    10: EXPIRED,
    18: SELF_SIGNED,
    19: UNTRUSTED,
    20: UNTRUSTED,
    21: UNTRUSTED,
    62: WRONG_NAME,
    64: WRONG_NAME,
}


@dataclass(frozen=True)
class Route:
    """How calls to a site go. authorities: the file or folder they trust. proxy: its address, "" for none."""

    url: str
    authorities: str
    proxy: str = field(default="", repr=False)

    @property
    def proxy_name(self) -> str:
        """The proxy without any password."""
        parts = _proxy_parts(self.proxy)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if self.proxy else ""


@dataclass(frozen=True)
class Look:
    """What was seen on the way, as far as it went.

    problem: what stopped it, one of the words above; detail: the system's words for it.
    addresses: what the name stands for. answered, silent: those that took a connection, and those that did not.
    protocol, issuer, names, expires: of TLS and of the certificate that was checked.
    """

    host: str
    port: int
    problem: str = ""
    detail: str = ""
    addresses: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    protocol: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    expires: datetime | None = None


def look(route: Route, *, timeout: float = 10.0) -> Look:
    """Follow the way to a site: name, connection, TLS.

    Raises ValueError for what is no http(s) address, and OSError for authorities that cannot be read.
    timeout: seconds for each connection. Looking a name up takes as long as the system lets it.
    """
    parts = urlsplit(route.url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    if not host or parts.scheme not in _PORTS:
        raise ValueError(f"{route.url!r} is no http(s) address.")
    if route.proxy:
        return _through_proxy(route, parts.scheme, host, port, timeout)
    seen = _connect(host, port, timeout)
    if seen.problem or parts.scheme == "http":
        return seen
    context = trusting(route.authorities)
    try:
        with socket.create_connection((seen.answered[0], port), timeout) as sock:
            return _handshake(sock, context, seen)
    except OSError as error:
        return _stopped(seen, UNREACHABLE, error)


def _connect(host: str, port: int, timeout: float) -> Look:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        return _stopped(Look(host, port), UNKNOWN_NAME, error)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    answered, silent = [], []
    failure: OSError | None = None
    for address in addresses[:_ADDRESSES]:
        try:
            socket.create_connection((address, port), timeout).close()
            answered.append(address)
        except OSError as error:
            failure = error
            silent.append(address)
    seen = Look(host, port, addresses=addresses, answered=tuple(answered), silent=tuple(silent))
    return seen if answered or failure is None else _stopped(seen, UNREACHABLE, failure)


def _handshake(sock: socket.socket, context: ssl.SSLContext, seen: Look) -> Look:
    try:
        with context.wrap_socket(sock, server_hostname=seen.host) as secured:
            return _certificate(secured, seen)
    except ssl.SSLCertVerificationError as error:
        return _stopped(seen, _VERIFY.get(error.verify_code, CERTIFICATE), error)
    except OSError as error:
        return _stopped(seen, NO_TLS, error)


def trusting(authorities: str) -> ssl.SSLContext:
    """Give a context that checks certificates by a file's or a folder's authorities."""
    folder = os.path.isdir(authorities)
    return ssl.create_default_context(
        cafile=None if folder else authorities, capath=authorities if folder else None
    )


def _certificate(secured: ssl.SSLSocket, seen: Look) -> Look:
    shown: dict[str, Any] = secured.getpeercert() or {}
    expires = None
    with suppress(KeyError, ValueError):
        expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
    issuer = {name: value for entry in shown.get("issuer", ()) for name, value in entry}
    names = tuple(str(value) for _kind, value in shown.get("subjectAltName", ()))
    return replace(
        seen,
        protocol=secured.version() or "",
        issuer=str(issuer.get("organizationName") or issuer.get("commonName") or ""),
        names=names,
        expires=expires,
    )


def _through_proxy(route: Route, scheme: str, host: str, port: int, timeout: float) -> Look:
    parts = _proxy_parts(route.proxy)
    seen = Look(host, port)
    if parts.scheme not in _PORTS or not parts.hostname:
        return replace(seen, problem=PROXY_KIND, detail=parts.scheme)
    at = (parts.hostname, parts.port or _PORTS[parts.scheme])
    context = trusting(route.authorities)
    connection = (
        http.client.HTTPSConnection(*at, timeout=timeout, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(*at, timeout=timeout)
    )
    if scheme == "https":
        connection.set_tunnel(host, port, headers=_credentials(parts))
    try:
        connection.connect()
        return _handshake(connection.sock, context, seen) if scheme == "https" else seen
    except (OSError, http.client.HTTPException) as error:
        return _stopped(seen, PROXY, error)
    finally:
        connection.close()


def _proxy_parts(proxy: str) -> SplitResult:
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _credentials(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}


def _stopped(seen: Look, problem: str, error: Exception) -> Look:
    text = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
    return replace(seen, problem=problem, detail=str(text)[:300])
