"""Reads one HTTP request and sends its answer. What to answer is decided in `site` and `pages`."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from elevate_integration.testing import misbehave, pages, rules
from elevate_integration.testing.answers import Answer

if TYPE_CHECKING:
    from elevate_integration.testing.faults import Fault
    from elevate_integration.testing.server import FakeServer

LARGEST_BODY = 10_000_000
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Stopping(Exception):  # noqa: N818 (not an error: the way out of a call when the server stops)
    """The server stops; the call ends without an answer."""


class UnreadableBodyError(ValueError):
    """The length of the body makes no sense, so nothing after it on this connection would either."""


class Handler(BaseHTTPRequestHandler):
    """One connection, which may carry many requests."""

    server: FakeServer
    protocol_version = "HTTP/1.1"
    server_version = "FakeElevate"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve_page()

    def do_DELETE(self) -> None:
        self._serve_page()

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith(pages.CONTROL_PREFIX):
            self._serve_page()
            return
        # The answer is still in the buffer when the block ends, so whoever has read it never counts it as open.
        with self.server.site.open_call():
            self._serve_call(path, self.server.site.faults.take(path))

    def _serve_page(self) -> None:
        body = self._read_body()
        if body is not None:
            self.send(pages.answer(self.server.site, self.command, urlsplit(self.path).path, body))

    def _serve_call(self, path: str, fault: Fault | None) -> None:
        site = self.server.site
        if fault is not None and fault.name == "reset_before_reading":
            site.note_unread(path)
            self.reset()
            return
        body = self._read_body()
        if body is None:
            site.note_unread(path)
            return
        fields: dict[str, object] = {}
        try:
            fields = rules.read_fields(self.headers.get("Content-Type", ""), body)
        except rules.UnreadableRequestError as error:
            answer = site.receive_unreadable(path, str(error))
        else:
            answer = site.receive(path, fields, fault=fault, pause=self.pause)
        if fault is None:
            self.send(answer)
        else:
            misbehave.send_spoiled(fault, answer, key=str(fields.get("api_key", "")), wire=self)

    def _read_body(self) -> bytes | None:
        """The body, or None after an error page was sent because its length makes no sense."""
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                return self._read_chunks()
            length = self.headers.get("Content-Length", "0").strip()
            return self._read_exactly(_length(length, base=10))
        except UnreadableBodyError as error:
            self.close_connection = True
            self.send(Answer(400, f"{error}\n"))
            return None

    def _read_chunks(self) -> bytes:
        body = b""
        while size := _length(self.rfile.readline(100).partition(b";")[0].strip().decode("latin-1"), base=16):
            body += self._read_exactly(size)
            if len(body) > LARGEST_BODY:
                raise UnreadableBodyError("The body is too large.")
            self.rfile.readline(100)
        while self.rfile.readline(1000).strip():
            """A trailer: nothing in it matters here."""
        return body

    def _read_exactly(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("The client went away in the middle of its request.")
        return body

    # What a fault needs (`misbehave.Wire`).

    def send(self, answer: Answer) -> None:
        body = answer.body()
        self._write_head(answer, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def start(self, answer: Answer, headers: Mapping[str, str]) -> None:
        """Send the head at once; the body comes by `write`."""
        self._write_head(answer, headers)
        self.wfile.flush()

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def reset(self) -> None:
        """Close with RST instead of a farewell."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        # Past the socket object: its close() waits for our files, and shutdown() would send a polite FIN first.
        os.close(self.connection.detach())

    def hang_up(self) -> None:
        self.close_connection = True

    def pause(self, seconds: float) -> None:
        self.server.pause(seconds)

    def _write_head(self, answer: Answer, headers: Mapping[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.media_type(), **headers, **answer.headers}.items():
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def handle(self) -> None:
        with contextlib.suppress(Stopping, OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
        """Say nothing: the calls are in `FakeElevate.calls`."""


def _length(text: str, *, base: int) -> int:
    try:
        length = int(text, base)
    except ValueError:
        raise UnreadableBodyError("The length of the body is not a number.") from None
    if not 0 <= length <= LARGEST_BODY:
        raise UnreadableBodyError("The body is too large.")
    return length
