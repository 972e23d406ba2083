"""Sockets and threads of the fake: one thread a connection, all of them ended by `stop()`."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import sys
import threading
import time
from typing import Any

from elevate_integration.testing.handler import Handler, Stopping
from elevate_integration.testing.site import FakeSite

JOIN_SECONDS = 5.0


class FakeServer(socketserver.ThreadingTCPServer):
    """HTTP/1.1 with keep-alive. `http.server.HTTPServer` is not used: it asks the DNS for its own name."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], site: FakeSite, tls: ssl.SSLContext | None) -> None:
        self.site = site
        self.stopping = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(address, Handler)
        self._acceptor = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="fake-elevate", daemon=True
        )

    def start(self) -> None:
        self._acceptor.start()

    def stop(self) -> None:
        """Stop listening, cut every connection and wait for the threads behind them."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown, which takes the TLS state from under the thread that uses it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in {self._acceptor, *connections} - {threading.current_thread()}:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Sleep, unless the server stops: then end the call at once."""
        if self.stopping.wait(seconds):
            raise Stopping

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="fake-elevate-connection",
            daemon=True,
        )
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        # The handshake belongs to this thread: a client that never finishes it must not hold up the others.
        with self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as secured:
            with self._lock:
                self._connections[threading.current_thread()] = secured
            secured.do_handshake()
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A lost connection or a failed handshake is part of the play; anything else, as from a hook, is shown."""
        if not isinstance(sys.exception(), Stopping | OSError):
            super().handle_error(request, client_address)
