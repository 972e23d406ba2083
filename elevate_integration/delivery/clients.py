"""The client with which the next call begins: another one once the settings or the API key changed.

A call ends with the client, and so with the key, that it began with. Asked by one thread of a worker alone.
"""

from __future__ import annotations

from django.core.signals import setting_changed

from elevate_integration.delivery.sender import make_client
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.keys import Key, api_key


class Clients:
    """Makes a client when one is needed, keeps it while nothing changes, and closes it when its last call has ended."""

    def __init__(self) -> None:
        self._client: ElevateClient | None = None
        self._key = Key()
        self._calls: dict[ElevateClient, int] = {}

    def __repr__(self) -> str:
        return "clients"

    def now(self) -> ElevateClient:
        """Give the client for the key as it is now."""
        key = Key(api_key())
        if self._client is None or key != self._key:
            self._let_go()
            self._client, self._key = make_client(key), key
            setting_changed.connect(self._forget)
        return self._client

    def lend(self) -> ElevateClient:
        """Give the client for the key as it is now, for one call."""
        client = self.now()
        self._calls[client] = self._calls.get(client, 0) + 1
        return client

    def take_back(self, client: ElevateClient) -> None:
        """Say that a call for which a client was lent has ended."""
        left = self._calls.pop(client, 1) - 1
        if left:
            self._calls[client] = left
        elif client is not self._client:
            client.close()

    def close(self) -> None:
        """Close the idle connections. A later call gets a new client."""
        setting_changed.disconnect(self._forget)
        self._let_go()
        for client in self._calls:
            client.close()
        self._calls.clear()

    def _forget(self, **kwargs: object) -> None:
        self._let_go()

    def _let_go(self) -> None:
        client, self._client, self._key = self._client, None, Key()
        if client is not None and client not in self._calls:
            client.close()
