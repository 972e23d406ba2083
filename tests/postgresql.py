"""What only PostgreSQL can do: the mark of tests about it, and a pooler that stands before it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from django.db import connection

only_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL can do that")

_KEY_DATA = b"K" + struct.pack("!I", 12)


@contextlib.contextmanager
def pooler(host: str, port: int) -> Iterator[int]:
    """Pass everything on to a server, and give its clients process IDs that are not the server's, as PgBouncer does.

    Gives the port where it listens.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ends: list[socket.socket] = []
        threading.Thread(target=_accept, args=(listening, host, port, ends), daemon=True).start()
        try:
            yield listening.getsockname()[1]
        finally:
            for end in ends:
                end.close()


def _accept(listening: socket.socket, host: str, port: int, ends: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listening.accept()
            server = socket.create_connection((host, port))
            ends += [client, server]
            for here, there in ((client, server), (server, client)):
                threading.Thread(target=_pass_on, args=(here, there), daemon=True).start()


def _pass_on(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := here.recv(65536):
            at = data.find(_KEY_DATA)
            if at >= 0:
                at += len(_KEY_DATA)
                data = data[:at] + struct.pack("!I", 1) + data[at + 4 :]
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)
