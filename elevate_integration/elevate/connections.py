"""HTTP connections that keep a deadline and know whether the body went out. With `guarded` the only module
that touches urllib3.

A time-out per read does not end a server that sends one byte a second, neither in its headers nor in its body. So
every single read from the socket, headers included, gets what is left of the call's own time.

A call falls into halves, `Halves`: until its request is written, and from the answer on. Whoever runs them decides in
which thread, and how it waits in between.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection as PlainConnection
from http.client import HTTPResponse
from time import monotonic
from typing import Any, Protocol, TypeVar

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection

T = TypeVar("T")

# Bytes: at most so much of an answer is taken before anybody waits for it.
_AT_ONCE = 65_536


class Waiting(Protocol):
    """A connection on which a request has gone out."""

    def fileno(self) -> int:
        """Give the number to watch: it can be read as soon as a part of the answer is there."""

    def take(self) -> bool | None:
        """Take what has come, without waiting: True for a whole answer, False for a part, None for nothing."""


# Yields where it would have to wait: None before a connection is made, a connection once the request is written on one
# that stood open. Whoever goes on after that waits inside, unless the whole answer has come.
Halves = Generator[Waiting | None, None, T]


def whole(halves: Halves[T]) -> T:
    """Run a call to its end, or what is left of it, and wait for it in this thread. Raises what the call raises."""
    while True:
        try:
            next(halves)
        except StopIteration as ended:
            result: T = ended.value
            return result


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
    """What was taken already, then what the socket gives within the time of the call."""

    def __init__(self, sock: socket.socket, taken: bytearray) -> None:
        self._sock = sock
        self._taken = taken
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._taken:
            size = min(len(buffer), len(self._taken))
            buffer[:size] = self._taken[:size]
            del self._taken[:size]
            return size
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

    def __init__(self, sock: socket.socket, taken: bytearray) -> None:
        self._sock = sock
        self._taken = taken

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedRaw(self._sock, self._taken))


class _Watched(HTTPConnection):
    # Bytes that arrive whole or not at all.
    record = 0
    _step = _REST
    _head = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._taken = bytearray()

    def _timed_response(self, sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:
        return HTTPResponse(_TimedSocket(sock, self._taken), *args, **kwargs)  # type: ignore[arg-type]

    # `http.client` calls it as the class that usually stands here.
    response_class: Any = _timed_response

    def write(self, target: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> None:
        """Write one POST on this open connection, past urllib3's own `request`: its layers take a quarter of a call."""
        self._taken.clear()
        self.sock.settimeout(seconds)
        # A server may hang up in the middle of a request and yet have said why: `read` tells.
        with suppress(BrokenPipeError, ConnectionResetError):
            PlainConnection.request(self, "POST", target, body, headers)

    def fileno(self) -> int:
        return self.sock.fileno()

    def take(self) -> bool | None:
        self.sock.settimeout(0.0)
        while len(self._taken) < _AT_ONCE:
            try:
                data = self.sock.recv(_AT_ONCE)
            except (BlockingIOError, ssl.SSLWantReadError):
                return False if self._taken else None
            except OSError:
                # Whoever reads on meets it again.
                return True
            self._taken += data
            if not data or _is_whole(self._taken):
                return True
        return False

    def read(self) -> HTTPResponse:
        """Give the answer to what was written, its body unread."""
        return PlainConnection.getresponse(self)

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


def _is_whole(taken: bytearray) -> bool:
    """Tell whether an answer that says its length is there to its end; of any other nobody knows before he reads it."""
    head, end, body = bytes(taken).partition(b"\r\n\r\n")
    head = head.lower()
    # An interim answer is followed by another, and a length beside chunks does not count (RFC 9112, 6.3).
    if not end or head.partition(b" ")[2].startswith(b"1") or b"\r\ntransfer-encoding:" in head:
        return False
    length = head.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0].strip()
    return length.isdigit() and len(body) >= int(length)


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


def standing(pool: Any) -> Any:
    """Take the idle connection out of a pool if it stands open; None if it does not. To be given back by `give_back`.

    One that goes by a proxy is left in it: what a proxy is told besides, urllib3 knows.
    """
    if pool.proxy is not None or not pool.num_connections:
        return None
    connection = pool._get_conn()
    if not connection.is_closed:
        return connection
    give_back(pool, None)
    return None


def give_back(pool: Any, connection: Any) -> None:
    """Put a connection back into its pool, open or closed; None where it is to make a new one."""
    pool._put_conn(connection)


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
