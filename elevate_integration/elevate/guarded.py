"""Connections to addresses that staff typed: none of them reaches into the own network. Knows no Django.

A name is looked up once, and what was looked at is what is connected to: a name server that answers twice in different
ways gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError

# Ranges that carry an IPv4 address inside an IPv6 one, and by how many bits it is shifted (RFC 6052, RFC 3056).
_CARRIERS = ((ipaddress.IPv6Network("64:ff9b::/96"), 0), (ipaddress.IPv6Network("2002::/16"), 80))


class InsideError(Exception):
    """The name stands for an address that must not be asked."""


class UnknownHostError(Exception):
    """Nobody has this name."""


def guarded(is_own: Callable[[str], bool]) -> HTTPAdapter:
    """Give an adapter for `requests` whose connections raise InsideError and UnknownHostError.

    is_own: tells whether a host is one of the site's own, which may lie inside the own network.
    """
    pools = {
        "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": _made(HTTPConnection, is_own)}),
        "https": type("TLSPool", (HTTPSConnectionPool,), {"ConnectionCls": _made(HTTPSConnection, is_own)}),
    }
    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = pools
    return adapter


def _made(kind: type[HTTPConnection], is_own: Callable[[str], bool]) -> type[HTTPConnection]:
    def connect(self: HTTPConnection) -> socket.socket:
        return _connect(self, is_own)

    return type("Guarded", (kind,), {"_new_conn": connect})


def _connect(connection: HTTPConnection, is_own: Callable[[str], bool]) -> socket.socket:
    host = connection.host
    try:
        found = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise UnknownHostError from None
    own = is_own(host)
    if any(not may_be_asked(str(entry[4][0]), own=own) for entry in found):
        raise InsideError
    failure: OSError | None = None
    for family, kind, protocol, _name, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(connection.timeout)
            sock.connect(address)
        except OSError as error:
            failure = error
            sock.close()
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "No connection in time.")
    raise failure or OSError("No address.")


def may_be_asked(address: str, *, own: bool) -> bool:
    """Tell whether an IP address may be connected to. own: it is that of a host of the site itself.

    Link-local addresses never: those of machines are not among them, and clouds give their credentials away there.
    """
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    for network, shift in _CARRIERS:
        if ip.version == 6 and ip in network:
            ip = ipaddress.IPv4Address((int(ip) >> shift) & 0xFFFFFFFF)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    return own or bool(ip.is_global)
