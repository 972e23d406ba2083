"""HTTP connections that keep a deadline and know whether the body went out. The only module that touches urllib3.

A time-out per read does not end a server that sends one byte a second, neither in its headers nor in its body. So
every single read from the socket, headers included, gets what is left of the call's own time.
"""

from __future__ import annotations

import io
import socket
import threading
from dataclasses import dataclass
from http.client import HTTPResponse
from time import monotonic
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class DeadlinePassedError(Exception):
    """The time of the call was up before its request was written."""


@dataclass
class Call:
    """One call on its way through this thread.

    ends: `monotonic()` seconds. read_timeout: seconds for a single read.
    body_started: whether a part of the body, without which Elevate can do nothing, may have left this machine.
    """

    ends: float
    read_timeout: float
    body_started: bool = False

    def seconds_left(self) -> float:
        """Give the seconds that are left, at least 0."""
        return max(self.ends - monotonic(), 0.0)


class _Thread(threading.local):
    call: Call


# A pool makes its connections itself, so the call reaches them by way of the thread that runs both.
current = _Thread()


class _TimedRaw(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = current.call.seconds_left()
        if not left:
            raise TimeoutError("deadline passed")
        self._sock.settimeout(min(current.call.read_timeout, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """What `http.client` asks a socket for, and nothing else."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedRaw(self._sock))


def _timed_response(sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:
    return HTTPResponse(_TimedSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


class _Watched(HTTPConnection):
    response_class: Any = staticmethod(_timed_response)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        # Connecting to one address after the other can outlast the deadline, and so can a lease: send nothing then.
        if not current.call.seconds_left():
            raise DeadlinePassedError
        super().putrequest(*args, **kwargs)

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        # urllib3 sends headers and body apart: a connection that breaks in the headers has sent nothing of use.
        current.call.body_started = message_body is not None
        super().endheaders(message_body, encode_chunked=encode_chunked)
        current.call.body_started = True


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class HTTPPool(HTTPConnectionPool):
    """A pool of watched connections."""

    ConnectionCls: Any = _Watched


class HTTPSPool(HTTPSConnectionPool):
    """A pool of watched connections over TLS."""

    ConnectionCls: Any = _WatchedTLS


POOLS = {"http": HTTPPool, "https": HTTPSPool}
