"""An Elevate that answers at once: a bare asyncio server, so that the client is what is measured.

It answers every registration with a new ID. `python -m tests.benchmarks.fast_elevate [--tls] [--latency 0.2]`
prints its address (and the CA file with TLS) once it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import ssl
import tempfile

import trustme

_ids = itertools.count(1)


class Connection(asyncio.Protocol):
    """One kept-alive connection. Reads just enough of HTTP/1.1 to find the end of a request."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.answer)
            else:
                self.answer()

    def answer(self) -> None:
        body = (
            b'{"product_url": "https://demo.example/products/x?force_login=1", "registration_id": %d}'
            % next(_ids)
        )
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body)  # type: ignore[attr-defined]


async def serve(*, tls: bool, latency: float) -> None:
    context = None
    ca_path = ""
    if tls:
        ca = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as file:
            ca.cert_pem.write_to_path(file.name)
            ca_path = file.name
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(latency), "127.0.0.1", 0, ssl=context, backlog=512)
    port = server.sockets[0].getsockname()[1]
    print(f"{'https' if tls else 'http'}://127.0.0.1:{port} {ca_path}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(tls=options.tls, latency=options.latency))
