"""Work beside a test, in a thread with database connections of its own. What it raises, the test raises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from elevate_integration.delivery.worker import Worker

# Seconds after which something that must end is taken for something that will not.
LONG = 60


@contextmanager
def beside(work: Callable[[], Any], *, stop: Callable[[], Any] | None = None) -> Iterator[threading.Thread]:
    """Do the work meanwhile. `stop` is called when the test has done its own part; then the work has to end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by the test
            raised.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        if stop is not None:
            stop()
        thread.join(LONG)
        assert not thread.is_alive()
        assert not raised, raised


def running(worker: Worker) -> Any:
    """A worker beside a test, stopped and joined in the end."""
    return beside(worker.run, stop=worker.stop)
