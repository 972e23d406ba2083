"""Real brokers behind a gate of our own, so that a test can take one away without stopping anybody's server."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
RABBITMQ_URL = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


class Gate:
    """Passes TCP on to a server. Shut, it refuses; silent, it accepts and never answers."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._silent = False
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.open()

    @property
    def is_shut(self) -> bool:
        return self._listener is None

    def open(self) -> None:
        self.shut()
        self._silent = False
        self._listen()

    def silence(self) -> None:
        self.shut()
        self._silent = True
        self._listen()

    def shut(self) -> None:
        if self._listener is not None:
            # A listener that another thread sits in is only freed by a shutdown.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open = []

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(50)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self._open.append(near)
            if self._silent:
                continue
            far = socket.create_connection(self._server, timeout=5)
            far.settimeout(None)
            self._open.append(far)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class Broker:
    """A broker's memory that belongs to this run alone. Fails the test when the broker is away."""

    def __init__(self, url: str, port: int) -> None:
        parts = urlsplit(url)
        self.queue = f"elevate-tests-{uuid.uuid4().hex[:12]}"
        try:
            socket.create_connection((parts.hostname, parts.port or port), timeout=5).close()
        except OSError as error:
            pytest.fail(f"No broker at {parts.hostname}:{parts.port or port}: {error}", pytrace=False)
        self.gate = Gate(str(parts.hostname), parts.port or port)
        access = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = f"{parts.scheme}://{access}127.0.0.1:{self.gate.port}"

    def flush(self) -> None:
        """Lose everything."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave nothing behind."""
        raise NotImplementedError


class Redis(Broker):
    """A database number of its own, found empty."""

    def __init__(self) -> None:
        super().__init__(REDIS_URL, 6379)
        import redis

        for number in range(15, 0, -1):
            self._client: Any = redis.Redis.from_url(f"{REDIS_URL.rstrip('/')}/{number}", socket_timeout=5)
            if self._client.dbsize() == 0 and self._client.set("elevate-tests", self.queue, nx=True):
                break
        else:
            pytest.fail("Redis has no empty database for the tests.", pytrace=False)
        self.url += f"/{number}"

    def flush(self) -> None:
        self._client.flushdb()
        self._client.set("elevate-tests", self.queue)

    def close(self) -> None:
        self._client.flushdb()
        self._client.close()
        self.gate.shut()


class RabbitMQ(Broker):
    """A queue of its own."""

    def __init__(self) -> None:
        super().__init__(RABBITMQ_URL, 5672)
        self.url += "//"

    def flush(self) -> None:
        self._channel(lambda channel: channel.queue_purge(self.queue))

    def close(self) -> None:
        self._channel(lambda channel: (channel.queue_delete(self.queue), channel.exchange_delete(self.queue)))
        self.gate.shut()

    def _channel(self, act: Any) -> None:
        import kombu

        with kombu.Connection(RABBITMQ_URL, connect_timeout=5) as connection:
            act(connection.default_channel)
