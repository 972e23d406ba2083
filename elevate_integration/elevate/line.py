"""One connection to an Elevate site: by which proxy and authorities it goes, and what comes back on it. No Django.

Knows neither what is asked nor what the answer means.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from .connections import POOLS, Call, Halves, current, give_back, post, standing
from .network import Route, trusting

# Seconds. Servers drop idle connections, and a request written into a dropped one has an unknown outcome for nothing.
IDLE_LIMIT = 30.0
_CHUNK = 65_536

Read = TypeVar("Read")


@dataclass(frozen=True)
class Received:
    """What came back. complete: whether the body is all there. duration: seconds since the call began."""

    status: int
    headers: Any = field(repr=False)
    body: bytes = field(repr=False)
    complete: bool
    path: str
    duration: float = 0.0

    def read_by(self, reader: Callable[..., Read], rules: dict[str, Any]) -> Read:
        return reader(
            self.status,
            self.headers,
            self.body,
            complete=self.complete,
            path=self.path,
            duration=self.duration,
            **rules,
        )


class _Adapter(HTTPAdapter):
    """One watched connection, no repeats: whether to send again is not decided down here."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def pool_for(self, url: str, proxies: Any, context: ssl.SSLContext) -> Any:
        """Give the connections to a site, by way of its proxy if it has one."""
        proxy = select_proxy(url, proxies)
        manager = self.poolmanager
        if proxy:
            proxy = proxy if "://" in proxy else f"http://{proxy}"
            manager = self.proxy_manager_for(proxy)
        return manager.connection_from_url(url, pool_kwargs={"ssl_context": context})


class Trust:
    """The TLS context of one client, for all its threads: reading a bundle of authorities takes 20 ms of CPU."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def __call__(self, verify: Any) -> ssl.SSLContext:
        """Give a context that checks certificates, by a path's authorities or (True) by those requests brings."""
        path = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
        with self._lock:
            if path not in self._contexts:
                self._contexts[path] = trusting(path)
            return self._contexts[path]

    def forget(self) -> None:
        """Read the authorities again at the next connection."""
        with self._lock:
            self._contexts.clear()


class Line:
    """One connection: a session, and when and in which process it was last used. For one call at a time."""

    def __init__(self, base: str, trust: Trust, *, trust_env: bool, ca_bundle: str | None) -> None:
        self._trust = trust
        self._session = requests.Session()
        self._session.trust_env = trust_env
        self._adapter = _Adapter()
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)
        # Once per line, not per call. `verify` is never False here; REQUESTS_CA_BUNDLE counts with trust_env.
        settings = self._session.merge_environment_settings(
            base, proxies={}, stream=True, verify=ca_bundle or True, cert=None
        )
        self._proxies = settings["proxies"]
        self._verify = settings["verify"] or True
        self._pool: Any = None
        self._targets: dict[str, str] = {}
        self._process_id = os.getpid()
        self.used_at = monotonic()

    def exchange(
        self, prepared: requests.PreparedRequest, call: Call, *, connect: float, max_body: int
    ) -> Halves[Received]:
        """Send one request and read its answer. connect: seconds. max_body: bytes."""
        # The adapter finds pool, certificates and proxy once for the line. A call then goes past `Session.send` and
        # `HTTPAdapter.send`: no redirects, no cookies, no .netrc, and a third of the CPU time.
        url = str(prepared.url)
        if self._pool is None:
            self._pool = self._adapter.pool_for(url, self._proxies, self._trust(self._verify))
        if url not in self._targets:
            self._targets[url] = self._adapter.request_url(prepared, self._proxies)
        pool, target, path = self._pool, self._targets[url], urlsplit(url).path
        connection = standing(pool)
        if connection is None:
            yield None
            current.call = call
            body, headers = prepared.body, prepared.headers
            with post(pool, target, body, headers, connect=connect, read=call.read_timeout) as response:
                content, complete = _read_body(partial(response.read1, decode_content=False), max_body)
                return Received(response.status, response.headers, content, complete, path)
        complete = False
        try:
            connection.write(target, prepared.body, prepared.headers, seconds=connect)
            yield connection
            current.call = call
            response = connection.read()
            content, complete = _read_body(response.read1, max_body)
            complete = complete and not response.length
            response.close()
            return Received(response.status, response.headers, content, complete, path)
        finally:
            if not complete:
                connection.close()
            give_back(pool, connection)

    def route(self, base: str) -> Route:
        """Tell which authorities and which proxy this line uses for a site."""
        path = DEFAULT_CA_BUNDLE_PATH if self._verify is True else str(self._verify)
        return Route(base, path, select_proxy(base, self._proxies) or "")

    def drop_if_stale(self) -> None:
        """Let go of a connection that the server may have closed, or that another process shares after a fork."""
        if monotonic() - self.used_at > IDLE_LIMIT or self._process_id != os.getpid():
            self._process_id = os.getpid()
            self.close()

    def close(self) -> None:
        self._pool = None
        self._session.close()


def _read_body(read: Callable[[int], bytes], limit: int) -> tuple[bytes, bool]:
    """Read at most `limit` bytes; the flag is False when there was more, or when the connection broke."""
    body = bytearray()
    try:
        while len(body) <= limit:
            chunk = read(_CHUNK)
            if not chunk:
                return bytes(body), True
            body += chunk
    except Exception:  # noqa: BLE001 - the status is here: what broke in the body is judged with it
        return bytes(body), False
    return bytes(body[:limit]), False
