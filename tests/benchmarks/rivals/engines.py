"""Each rival's engine: how its jobs are enqueued and which processes run them. Imported where all of them are installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Engine:
    """enqueue: puts jobs for these sales into the queue. commands: the workers' arguments to `python`, one a process.

    figure: rows a second that it made on two idle cores; a run in which it is far slower proves nothing.
    """

    name: str
    enqueue: Callable[[Sequence[int]], None]
    commands: tuple[tuple[str, ...], ...]
    environment: dict[str, str] = field(default_factory=dict)
    figure: float = 0.0
    many_cas: bool = True


def _celery(pks: Sequence[int]) -> None:
    from tests.benchmarks.rivals.celery_app import app, register

    with app.producer_pool.acquire(block=True) as producer:
        for pk in pks:
            register.apply_async((pk,), producer=producer)


def _procrastinate(pks: Sequence[int]) -> None:
    from tests.benchmarks.rivals.procrastinate_jobs import register

    for start in range(0, len(pks), 1000):
        register.batch_defer(*({"pk": pk} for pk in pks[start : start + 1000]))


def _django_tasks(pks: Sequence[int]) -> None:
    from tests.benchmarks.rivals.django_tasks_jobs import register

    for pk in pks:
        register.enqueue(pk)


def _django_q(pks: Sequence[int]) -> None:
    from django_q.tasks import async_task

    for pk in pks:
        async_task("tests.benchmarks.rivals.work.register", pk)


def _none(pks: Sequence[int]) -> None:
    """The loop below finds its rows by itself."""


_WORKER = ("-m", "celery", "-A", "tests.benchmarks.rivals.celery_app", "worker", "-l", "ERROR")
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")

CELERY_PREFORK = Engine(
    "Celery, tuned, prefork 2", _celery, ((*_WORKER, *_QUIET, "-O", "fair", "--pool=prefork", "-c", "2"),)
)
CELERY_THREADS = Engine(
    "Celery, tuned, 8 threads", _celery, ((*_WORKER, *_QUIET, "--pool=threads", "-c", "8"),)
)
CELERY_UNTUNED = Engine(
    "Celery, untuned (a connection and a session for each task)",
    _celery,
    ((*_WORKER, "--pool=prefork", "-c", "2"),),
    {"BENCH_CONN_MAX_AGE": "0", "BENCH_SESSION": "no"},
    figure=132,
    many_cas=False,
)
BARE_POST = Engine(
    "Celery, `requests.post` without a session, all public CAs",
    _celery,
    ((*_WORKER, *_QUIET, "-O", "fair", "--pool=prefork", "-c", "2"),),
    {"BENCH_SESSION": "no"},
    figure=54,
)
PROCRASTINATE = Engine(
    "Procrastinate",
    _procrastinate,
    (("-m", "django", "procrastinate", "worker", "--concurrency", "8"),),
    figure=211,
)
DJANGO_TASKS = Engine(
    "django-tasks-db, 2 processes",
    _django_tasks,
    (("-m", "django", "db_worker", "-v", "0", "--interval", "0.1", "--no-startup-delay"),) * 2,
    figure=187,
)
DJANGO_Q = Engine("django-q2 on Redis, 2 workers", _django_q, (("-m", "django", "qcluster"),), figure=370)

TUNED_CELERY = (CELERY_PREFORK, CELERY_THREADS)
TUNED_CELERY_FIGURE = 372.0
OTHERS = (CELERY_UNTUNED, BARE_POST, PROCRASTINATE, DJANGO_TASKS, DJANGO_Q)
