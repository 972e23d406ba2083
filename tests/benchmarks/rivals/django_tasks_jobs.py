"""django-tasks with its database backend: `manage.py db_worker`."""

from __future__ import annotations

from django_tasks import task

from tests.benchmarks.rivals import work


@task()
def register(pk: int) -> None:
    """Register one sale."""
    work.register(pk)
