"""One engine after the other, each with a shop of its own, and a count for each at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from elevate_integration.testing import FakeElevate
from tests.delivery.conftest import make_due  # noqa: F401 - a fixture for these tests too
from tests.engines.engines import ENGINES, Engine


@pytest.fixture(params=list(ENGINES), scope="module")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that runs, with its shop and a fake Elevate."""
    with FakeElevate(products=("ABCD1234",)) as elevate:
        made = ENGINES[request.param](tmp_path_factory.mktemp("shop"), elevate)
        try:
            made.start()
            yield made
        finally:
            made.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests each engine passed."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(word, []):
            name = report.nodeid.partition("[")[2].rstrip("]")
            if "tests/engines/" in report.nodeid and name in ENGINES:
                counts[name][word] += 1
    if counts:
        terminalreporter.section("engines")
    for name in ENGINES:
        if counts[name]:
            words = ", ".join(f"{count} {word}" for word, count in sorted(counts[name].items(), reverse=True))
            terminalreporter.write_line(f"{name:16} {words}")
