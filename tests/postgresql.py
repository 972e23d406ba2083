"""What only PostgreSQL can do: the mark of tests about it, and a pooler that stands before it."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

only_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL can do that")

_KEY_DATA = b"K" + struct.pack("!I", 12)


@contextlib.contextmanager
def pooler(host: str, port: int) -> Iterator[int]:
    """Pass a connection on to a server, and give the client a process ID that is not the server's, as PgBouncer does.

    Gives the port where it waits for its one client.
    """
    with contextlib.ExitStack() as ends, ThreadPoolExecutor(3) as threads:
        listening = ends.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            client = ends.enter_context(listening.accept()[0])
            server = ends.enter_context(socket.create_connection((host, port)))
            threads.submit(_pass_on, client, server)
            threads.submit(_pass_on, server, client)

        served = threads.submit(serve)
        yield listening.getsockname()[1]
        served.result()


def _pass_on(here: socket.socket, there: socket.socket) -> None:
    """Pass on what comes, until one side hangs up."""
    with contextlib.suppress(OSError):
        while data := here.recv(65536):
            at = data.find(_KEY_DATA)
            if at >= 0:
                at += len(_KEY_DATA)
                data = data[:at] + struct.pack("!I", 1) + data[at + 4 :]
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)
