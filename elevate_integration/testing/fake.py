"""A fake Elevate on a real port: the vendor's page, whatever it leaves open, and faults on demand."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from elevate_integration.testing.certificates import Certificate
from elevate_integration.testing.server import FakeServer
from elevate_integration.testing.site import FakeSite


class FakeElevate(FakeSite):
    """Use it as a context manager, or with `start()` and `stop()`; started again, it keeps its port and registrations.

        with FakeElevate(products=["ABCD1234"]) as elevate:
            elevate.fail("reset_after_storing")
            ...
            assert [held.email for held in elevate.live()] == ["ada@example.org"]

    `ca_path` names the PEM that verifies its certificate; None without TLS.
    """

    def __init__(
        self,
        *,
        api_key: str = "test-key",
        products: Iterable[str] = ("ABCD1234",),
        port: int = 0,
        tls: bool = False,
        latency: float = 0.0,
    ) -> None:
        super().__init__(api_key=api_key, products=products, latency=latency)
        self._port = port
        self._certificate = Certificate() if tls else None
        self._server: FakeServer | None = None

    @property
    def ca_path(self) -> str | None:
        return self._certificate.ca_path if self._certificate else None

    @property
    def url(self) -> str:
        """Where it listens, such as http://127.0.0.1:8001, without a slash at the end."""
        if not self._port:
            raise RuntimeError("The fake Elevate has no address yet: start it first.")
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> Self:
        if self._server is not None:
            raise RuntimeError("The fake Elevate is already running.")
        context = self._certificate.context() if self._certificate else None
        self._server = FakeServer(("127.0.0.1", self._port), self, context)
        self._port = self._server.server_address[1]
        self._server.start()
        return self

    def stop(self) -> None:
        """End every connection, also those that hang; does nothing when it is not running."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
