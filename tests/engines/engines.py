"""The engines under test: how each is set up, started, taken away, brought back, and made to forget."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.engines.brokers import Broker, RabbitMQ, Redis
from tests.engines.shops import Process, Shop


class Engine:
    """What the behaviours ask of an engine. This one is `inline`: the web process delivers."""

    dispatcher = "inline"
    settings = ""
    modules: dict[str, str] = {}
    # Whether it comes back by itself for what falls due in a few seconds. Others are for the periodic run.
    plans = False

    def __init__(self, folder: Path, elevate: Any) -> None:
        choice = f'\nELEVATE["DISPATCHER"] = "{self.dispatcher}"\n'
        self.workers: list[Process] = []
        self.shop = Shop(folder, elevate, self.settings + choice, self.modules)

    def start(self, count: int = 1) -> None:
        """Start the processes that deliver, where it has such."""

    def stop(self) -> None:
        """Kill them."""
        while self.workers:
            self.workers.pop().kill()

    def periodic(self) -> None:
        """What runs beside it from time to time, as the README says."""
        self.shop.manage("elevate_worker", "--once")

    def ways_away(self) -> list[Callable[[], None]]:
        """Give the ways in which it can be away."""
        return [self._break]

    def _break(self) -> None:
        code = """
from django.db import OperationalError
from elevate_integration.delivery.dispatchers import inline
class Broken:
    def run_once(self, **options): raise OperationalError("away")
inline.Worker = Broken
"""
        self.shop.do(code)

    def notices(self) -> bool:
        """Whether the web process knows by now that it is away, where that takes a while."""
        return True

    def back(self) -> None:
        """Bring it back."""
        code = """
from elevate_integration.delivery import worker
from elevate_integration.delivery.dispatchers import inline
inline.Worker = worker.Worker
"""
        self.shop.do(code)
        self.periodic()

    def sell_and_forget(self, person: str) -> int:
        """Sell a course, and lose all that only the engine knows before it can deliver."""
        self._break()
        pk = self.shop.sell(person)
        self._restart_web()
        return pk

    def _restart_web(self) -> None:
        self.shop.web.kill()
        self.shop.web = self.shop.open_web()

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.shop.close()


class Thread(Engine):
    """A background thread of the web process."""

    dispatcher = "thread"
    plans = True

    def _break(self) -> None:
        code = """
from elevate_integration.delivery.dispatchers.thread import ThreadDispatcher
dispatchers._current.stop()
dispatchers.start()
ThreadDispatcher.kept = ThreadDispatcher._begin
def no_thread(self): raise RuntimeError("can't start new thread")
ThreadDispatcher._begin = no_thread
"""
        self.shop.do(code)

    def back(self) -> None:
        code = """
from elevate_integration.delivery.dispatchers.thread import ThreadDispatcher
ThreadDispatcher._begin = getattr(ThreadDispatcher, "kept", ThreadDispatcher._begin)
request_started.send(None, environ={})
"""
        self.shop.do(code)


class OwnWorker(Engine):
    """`manage.py elevate_worker`."""

    dispatcher = "worker"
    plans = True
    command: tuple[str, ...] = ("-m", "django", "elevate_worker")

    def start(self, count: int = 1) -> None:
        while len(self.workers) < count:
            self.workers.append(Process(self.shop, *self.command))

    def ways_away(self) -> list[Callable[[], None]]:
        return [self.stop]

    def back(self) -> None:
        self.start()

    def sell_and_forget(self, person: str) -> int:
        self.stop()
        pk = self.shop.sell(person)
        self._forget()
        self._restart_web()
        self.start()
        return pk

    def _forget(self) -> None:
        """Lose what it keeps beside our rows: nothing here."""


class DjangoTasks(OwnWorker):
    """Django's tasks with the database backend: `django.tasks`, or the backport before Django 6.0."""

    dispatcher = "django_tasks"
    command = ("-m", "django", "db_worker", "--interval", "0.2", "--no-startup-delay")
    settings = """
import django
INSTALLED_APPS += ["django_tasks_db"] if django.VERSION >= (6, 0) else ["django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
"""

    def _forget(self) -> None:
        self.shop.do("from django_tasks_db.models import DBTaskResult as T\nT.objects.all().delete()")


_APP = """
import os
from celery import Celery
from elevate_integration.delivery.dispatchers.celery import beat_schedule
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = beat_schedule(seconds=2.0)
"""
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Celery(OwnWorker):
    """Celery with a worker of two processes; beat only where a test asks for the periodic run."""

    dispatcher = "celery"
    modules = {"celery.py": _APP, "__init__.py": "from project.celery import app\n"}
    broker_class: type[Broker]

    def __init__(self, folder: Path, elevate: Any) -> None:
        self.broker = self.broker_class()
        self.beat: Process | None = None
        name = self.broker.queue
        self.settings = f"""
CELERY_BROKER_URL = {self.broker.url!r}
CELERY_TASK_DEFAULT_QUEUE = {name!r}
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
"""
        super().__init__(folder, elevate)

    def start(self, count: int = 1) -> None:
        while len(self.workers) < count:
            name = f"{uuid.uuid4().hex[:8]}@%h"
            self.workers.append(self._celery("worker", "-c", "2", "-n", name, *_QUIET))

    def periodic(self) -> None:
        if self.beat is None:
            schedule = str(self.shop.folder / "beat")
            self.beat = self._celery("beat", "-s", schedule, "--pidfile=")

    def _celery(self, *command: str) -> Process:
        return Process(self.shop, "-m", "celery", "-A", "project", *command, "-l", "WARNING")

    def ways_away(self) -> list[Callable[[], None]]:
        return [partial(self._away, self.broker.gate.shut), partial(self._away, self.broker.gate.silence)]

    def _away(self, take_away: Callable[[], None]) -> None:
        # A batch under way goes on without a broker: it would deliver what the test means to leave lying.
        self.stop()
        take_away()

    def notices(self) -> bool:
        return not self.broker.gate.is_shut or "The broker cannot be told" in self.shop.log()

    def back(self) -> None:
        self.broker.gate.open()

    def stop(self) -> None:
        super().stop()
        if self.beat is not None:
            self.beat.kill()
            self.beat = None

    def _forget(self) -> None:
        self.shop.do("dispatchers._current.stop()")
        self.broker.flush()

    def close(self) -> None:
        super().close()
        self.broker.gate.open()
        self.broker.close()


class CeleryRedis(Celery):
    """Celery with Redis."""

    broker_class = Redis


class CeleryRabbitMQ(Celery):
    """Celery with RabbitMQ."""

    broker_class = RabbitMQ


ENGINES: dict[str, type[Engine]] = {
    "inline": Engine,
    "thread": Thread,
    "worker": OwnWorker,
    "celery+redis": CeleryRedis,
    "celery+rabbitmq": CeleryRabbitMQ,
    "django-tasks": DjangoTasks,
}
