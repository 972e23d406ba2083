"""Buys orders at random moments and notes when each was committed: the web process of the benchmark `latency`.

`python -m tests.benchmarks.buyer {ours,untold,celery,procrastinate,django_q} COUNT`; told "end", it prints its notes.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import django
from django.db import transaction

_PACE = (0.02, 0.08)
# Seconds until every engine's workers are ready.
_START = 4.0


def _ours(person: str) -> None:
    # The signal does the rest.
    _sale(person)


def _sale(person: str) -> Any:
    from tests.benchmarks.rivals.models import Sale

    return Sale.objects.create(person_id=person, email=f"{person}@example.org")


def _celery(person: str) -> None:
    from tests.benchmarks.rivals.celery_app import register

    register.delay_on_commit(_sale(person).pk)


def _procrastinate(person: str) -> None:
    from tests.benchmarks.rivals.procrastinate_jobs import register

    register.defer(pk=_sale(person).pk)


def _django_q(person: str) -> None:
    from django_q.tasks import async_task

    pk = _sale(person).pk
    transaction.on_commit(partial(async_task, "tests.benchmarks.rivals.work.register", pk))


_HOW: dict[str, Callable[[str], None]] = {
    "ours": _ours,
    "untold": _ours,
    "celery": _celery,
    "procrastinate": _procrastinate,
    "django_q": _django_q,
}


def main(how: str, count: int) -> None:
    """Buy `count` orders."""
    django.setup()
    if how == "untold":
        from elevate_integration import wake

        wake.set_wake(None)
    commits: dict[str, float] = {}

    def note(person: str) -> None:
        commits[person] = time.time()

    time.sleep(_START)
    cpu = time.process_time()
    for number in range(count):
        person = f"M-{number}"
        with transaction.atomic():
            # The first callback: it runs as soon as the commit is through, before any waking.
            transaction.on_commit(partial(note, person))
            _HOW[how](person)
        time.sleep(random.uniform(*_PACE))  # noqa: S311
    sys.stdin.readline()
    print(json.dumps({"commits": commits, "cpu": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
