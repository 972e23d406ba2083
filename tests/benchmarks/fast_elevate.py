"""An Elevate that answers at once and costs next to nothing, so that the client is what is measured.

One thread, epoll, kept-alive connections, TLS. It answers every POST with a new registration ID, and GET `/stats` with
what it has seen. `python -m tests.benchmarks.fast_elevate [--latency 0.2] [--arrivals]` prints its address and two CA
files once it listens: its own certificate alone, and the same beside the public ones, as a real client loads them.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import json
import re
import select
import socket
import ssl
import tempfile
import time

import certifi
import trustme

_AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)
_LEARNER = re.compile(rb'"remote_user_id": ?"([^"]+)"')
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_REGISTERED = b'{"product_url": "https://demo.example/products/x?force_login=1", "registration_id": %d}'


class Server:
    """Everything the one thread knows. latency: seconds before an answer. arrivals: keep who arrived when."""

    def __init__(self, *, latency: float, arrivals: bool) -> None:
        self.latency = latency
        self.arrivals: dict[str, float] | None = {} if arrivals else None
        self.count, self.first, self.last = 0, 0.0, 0.0
        self._ids = itertools.count(1)
        self._buffers: dict[int, bytes] = {}
        self._open: dict[int, ssl.SSLSocket] = {}
        self._shaking: set[int] = set()
        self._later: list[tuple[float, int, int]] = []
        self._turn = itertools.count()
        self._epoll = select.epoll()
        self._context, self.ca_path, self.many_path = _certificates()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(512)
        self._listener.setblocking(False)
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Serve until the process is ended."""
        while True:
            wait = max(self._later[0][0] - time.monotonic(), 0.0) if self._later else -1
            for number, _ in self._epoll.poll(wait):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._read(number)
            while self._later and self._later[0][0] <= time.monotonic():
                self._answer(heapq.heappop(self._later)[2])

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                plain, _ = self._listener.accept()
                plain.setblocking(False)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                wrapped = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                number = wrapped.fileno()
                self._open[number], self._buffers[number] = wrapped, b""
                self._shaking.add(number)
                self._epoll.register(number, select.EPOLLIN)

    def _read(self, number: int) -> None:
        connection = self._open[number]
        try:
            if number in self._shaking:
                connection.do_handshake()
                self._shaking.discard(number)
            while True:
                data = connection.recv(65536)
                if not data:
                    self._close(number)
                    return
                self._take(number, data)
                if not connection.pending():
                    return
        except _AGAIN:
            return
        except OSError:
            self._close(number)

    def _take(self, number: int, data: bytes) -> None:
        buffer = self._buffers[number] + data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end].lower()
            at = head.find(b"content-length:")
            stop = end + 4 + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
            if len(buffer) < stop:
                break
            self._heard(number, head, buffer[end + 4 : stop])
            buffer = buffer[stop:]
        self._buffers[number] = buffer

    def _heard(self, number: int, head: bytes, body: bytes) -> None:
        if head.startswith(b"get "):
            self._tell(number)
            return
        self.last = time.time()
        self.first = self.first or self.last
        self.count += 1
        if self.arrivals is not None and (found := _LEARNER.search(body)):
            self.arrivals.setdefault(found[1].decode(), self.last)
        if self.latency:
            heapq.heappush(self._later, (time.monotonic() + self.latency, next(self._turn), number))
        else:
            self._answer(number)

    def _answer(self, number: int) -> None:
        connection = self._open.get(number)
        if connection is None:
            return
        body = _REGISTERED % next(self._ids)
        try:
            connection.send(_ANSWER % (len(body), body))
        except OSError:
            self._close(number)

    def _tell(self, number: int) -> None:
        """Answer with the counts since the start."""
        told = {
            "count": self.count,
            "first": self.first,
            "last": self.last,
            "cpu": time.process_time(),
            "arrivals": self.arrivals,
        }
        body = json.dumps(told).encode()
        connection = self._open[number]
        connection.settimeout(5)
        connection.sendall(_ANSWER % (len(body), body))
        connection.setblocking(False)

    def _close(self, number: int) -> None:
        with contextlib.suppress(OSError):
            self._epoll.unregister(number)
        self._shaking.discard(number)
        self._buffers.pop(number, None)
        with contextlib.suppress(OSError):
            self._open.pop(number).close()


def _certificates() -> tuple[ssl.SSLContext, str, str]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    own = ca.cert_pem.bytes()
    with open(certifi.where(), "rb") as file:
        public = file.read()
    paths = []
    for text in (own, own + b"\n" + public):
        with tempfile.NamedTemporaryFile(prefix="bench-ca-", suffix=".pem", delete=False) as file:
            file.write(text)
            paths.append(file.name)
    return context, paths[0], paths[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--arrivals", action="store_true")
    options = parser.parse_args()
    server = Server(latency=options.latency, arrivals=options.arrivals)
    print(server.url, server.ca_path, server.many_path, flush=True)
    server.serve()
