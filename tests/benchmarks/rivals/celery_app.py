"""Celery with Redis: `celery -A tests.benchmarks.rivals.celery_app worker`."""

from __future__ import annotations

from celery import Celery
from django.conf import settings

from tests.benchmarks.rivals import work

app = Celery("rivals", broker=settings.REDIS_URL)
app.conf.update(
    task_default_queue=settings.BENCH_QUEUE,
    task_ignore_result=True,
    worker_prefetch_multiplier=32,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
if settings.DATABASES["default"]["CONN_MAX_AGE"] is None:
    # Celery closes Django's connections around each task, whatever CONN_MAX_AGE says, unless it is told this.
    app.conf["CELERY_DB_REUSE_MAX"] = 1_000_000


@app.task(name="rivals.register")
def register(pk: int) -> None:
    """Register one sale."""
    work.register(pk)


@app.task(name="rivals.nothing")
def nothing(pk: int) -> None:
    """What is enqueued where only the enqueueing is measured."""
