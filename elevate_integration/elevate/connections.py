"""HTTP connections that keep a deadline and know whether the body went out. With `guarded` the only module
that touches urllib3.

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

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry, Timeout
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


# What a connection is to be handed next, while a request is written: its head, its body, or anything else.
_HEAD, _BODY, _REST = "head", "body", "rest"


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
    # Bytes that arrive whole or not at all.
    record = 0
    _step = _REST
    _head = b""

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        # Connecting to one address after the other can outlast the deadline, and so can a lease: send nothing then.
        if not current.call.seconds_left():
            raise DeadlinePassedError
        super().putrequest(*args, **kwargs)

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        # urllib3 hands over headers and body apart. They go out as one write: half the system calls, on both sides.
        self._step = _HEAD
        super().endheaders(message_body, encode_chunked=encode_chunked)

    def close(self) -> None:
        self._step = _REST
        super().close()

    def send(self, data: Any) -> None:
        if self._step == _HEAD:
            self._head, self._step = data, _BODY
            return
        if self._step != _BODY:
            super().send(data)
            return
        self._step = _REST
        if self.sock is None:
            self.connect()
        whole = self._head + data
        # Of a TLS record that was not handed over to its end, the other side can read nothing at all.
        current.call.body_started = len(whole) > self.record
        super().send(whole)
        current.call.body_started = True


class _WatchedTLS(_Watched, HTTPSConnection):
    # A TLS record holds at most this much (RFC 8446, 5.1).
    record = 16_384


class HTTPPool(HTTPConnectionPool):
    """A pool of watched connections."""

    ConnectionCls: Any = _Watched


class HTTPSPool(HTTPSConnectionPool):
    """A pool of watched connections over TLS."""

    ConnectionCls: Any = _WatchedTLS


POOLS = {"http": HTTPPool, "https": HTTPSPool}

# Whether to send again is not decided down here.
_NO_REPEATS = Retry(0, read=False)


def post(pool: Any, target: str, body: Any, headers: Any, *, connect: float, read: float) -> Any:
    """Send one POST through a pool; gives the answer with its body unread. Time-outs in seconds.

    Raises what urllib3 and the operating system raise; `current.call` then tells whether the body was on its way.
    """
    return pool.urlopen(
        "POST",
        target,
        body=body,
        headers=headers,
        redirect=False,
        assert_same_host=False,
        preload_content=False,
        decode_content=False,
        retries=_NO_REPEATS,
        timeout=Timeout(connect=connect, read=read),
    )
