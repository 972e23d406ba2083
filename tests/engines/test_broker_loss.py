"""A broker that forgets everything, or restarts, while Celery delivers: the rows are the truth, so nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from elevate_integration.testing import FakeElevate
from tests.engines import brokers
from tests.engines.brokers import Redis
from tests.engines.engines import CeleryRedis
from tests.faults.count import Tally, wait_until
from tests.faults.servers import free_port

pytestmark = pytest.mark.engines

ROWS = 60


class PrivateRedis:
    """A Redis of our own that keeps nothing on disk: a restart forgets everything."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        assert program, "Redis is not installed"
        self.port = free_port()
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        import redis

        self._popen = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=self.port)

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_until(answers, what="Redis answers")
        client.close()

    def flush(self) -> None:
        import redis

        client = redis.Redis(port=self.port)
        client.flushall()
        client.close()

    def stop(self) -> None:
        self._popen.kill()
        self._popen.wait()


@pytest.fixture
def redis(tmp_path, monkeypatch):
    made = PrivateRedis(tmp_path)
    monkeypatch.setattr(brokers, "REDIS_URL", f"redis://127.0.0.1:{made.port}")
    yield made
    made.stop()


@pytest.fixture
def engine(redis, tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    with FakeElevate(products=("ABCD1234",), latency=0.05) as elevate:
        made = CeleryRedis(folder, elevate)
        made.start()
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("how", ["flushed", "restarted"])
def test_a_broker_that_forgets_in_mid_drain_loses_nothing(engine, redis, how):
    assert issubclass(engine.broker_class, Redis)
    elevate, shop = engine.shop.elevate, engine.shop
    people = [f"M-{number}" for number in range(ROWS)]
    for part in range(3):
        some = people[part::3]
        shop.do("\n".join(f'with transaction.atomic(): sell("{person}")' for person in some))
        before = len(elevate.live())
        # What this part's wake-up did not bring is left to the periodic run, as the README says.
        wait_until(lambda before=before: len(elevate.live()) > before, what=f"a drain begins\n{shop.log()}")
        if how == "flushed":
            redis.flush()
        else:
            # The gate before the broker would not outlive a server that refuses.
            engine.broker.gate.shut()
            redis.stop()
            redis.start()
            engine.broker.gate.open()
        engine.periodic()
    left = 'found["left"] = OrderMark.objects.count() + Registration.objects.exclude(due_at=None).count()'
    wait_until(lambda: not shop.do(left)["left"], what=f"everything is delivered\n{shop.log()}")
    tally = Tally(elevate, people)
    tally.report(f"The broker was {how} 3 times", calls=len(elevate.calls))
    assert not tally.lost
    assert not tally.doubled
