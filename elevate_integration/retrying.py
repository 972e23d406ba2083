"""Runs a transaction again that the database gave up on. Knows databases, and nothing of what is written.

SQLSTATE 40001 and 40P01: PostgreSQL's manual, "Serialization Failure Handling"; errors 1205 and 1213: MySQL's and
MariaDB's "Server Error Reference"; `database is locked` is SQLITE_BUSY.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connections

from elevate_integration.events import event, get_logger
from elevate_integration.models import database

logger = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 4
# Seconds: the longest pause before the first repeat; it doubles.
_PAUSE = 0.05
_SQLSTATES = frozenset({"40001", "40P01"})
_MYSQL = frozenset({1205, 1213})


def given_up(error: OperationalError) -> bool:
    """Tell whether the database rolled the transaction back for the sake of another one, so that it may run again.

    A connection that broke is something else: there a commit may have gone through unseen.
    """
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = error.args[0] if error.args else None
    return state in _SQLSTATES or number in _MYSQL or "is locked" in str(number)


def retried(function: Callable[P, T]) -> Callable[P, T]:
    """Have a function that is one transaction run again, `TRIES` times in all, when the database gave it up.

    Inside a transaction of the caller's it runs once: what was given up is the caller's as a whole. After the last
    try the OperationalError is raised. The function must leave its arguments as they were when it raises.
    """

    @functools.wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> T:
        connection: Any = connections[database()]
        for number in range(1, TRIES):
            try:
                return function(*args, **options)
            except OperationalError as error:
                if connection.in_atomic_block or not given_up(error):
                    raise
                logger.info(
                    "The database gave up a transaction (%s), running it again.",
                    type(error).__name__,
                    extra=event("elevate.database.repeated", tries=number),
                )
            time.sleep(random.uniform(0, _PAUSE * 2.0**number))  # noqa: S311 - a pause, not a secret
        return function(*args, **options)

    return run
