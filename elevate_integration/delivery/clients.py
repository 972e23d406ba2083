"""The client with which the next call begins: another one once the settings or the API key changed.

A call ends with the client, and so with the key, that it began with. Asked by one thread of a worker alone.
"""

from __future__ import annotations

from django.core.signals import setting_changed

from elevate_integration.delivery.sender import make_client
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.keys import api_key


class Clients:
    """Makes a client when one is needed, and keeps it while nothing changes."""

    def __init__(self) -> None:
        self._client: ElevateClient | None = None
        self._key = ""

    def __repr__(self) -> str:
        return "clients"

    def now(self) -> ElevateClient:
        """Give the client for the key as it is now."""
        key = api_key()
        if self._client is None or key != self._key:
            self._let_go()
            self._client, self._key = make_client(key), key
            setting_changed.connect(self._forget)
        return self._client

    def close(self) -> None:
        """Close the idle connections. A later call gets a new client."""
        setting_changed.disconnect(self._forget)
        self._let_go()

    def _forget(self, **kwargs: object) -> None:
        self._let_go()

    def _let_go(self) -> None:
        # Closes what is idle: a call in flight keeps its connection until its answer is there.
        client, self._client, self._key = self._client, None, ""
        if client is not None:
            client.close()
