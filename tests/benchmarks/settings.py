"""Settings of the benchmarks: the example project without DEBUG, the plain shop, and the rivals that are installed.

Everything that differs from run to run comes from the environment, since most of it happens in other processes.
"""

from __future__ import annotations

import importlib.util
import os

os.environ["TEST_DATABASE_URL"] = os.environ["BENCH_DATABASE_URL"]

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES
from tests.settings import ELEVATE as _ELEVATE
from tests.settings import INSTALLED_APPS as _INSTALLED_APPS

# Django keeps every query in memory otherwise, and the rivals' workers reload themselves.
DEBUG = False
SILENCED_SYSTEM_CHECKS = ["models.W037"]
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}


def _installed(*names: str) -> list[str]:
    # Procrastinate's tables need PostgreSQL.
    if os.environ.get("BENCH_RIVALS", "yes") != "yes":
        return []
    return [name for name in names if importlib.util.find_spec(name.partition(".")[0]) is not None]


INSTALLED_APPS = [
    *(
        app
        for app in _INSTALLED_APPS
        if app.startswith(("django.", "elevate_", "example_project.", "tests."))
    ),
    "tests.benchmarks.rivals",
    *_installed("procrastinate.contrib.django", "django_tasks", "django_tasks_db", "django_q"),
]
ROOT_URLCONF = "tests.benchmarks.urls"
# None keeps connections open; 0 opens one for each task, which is Django's default.
_age = os.environ.get("BENCH_CONN_MAX_AGE", "none")
DATABASES["default"]["CONN_MAX_AGE"] = None if _age == "none" else int(_age)
DATABASES["default"]["ATOMIC_REQUESTS"] = False

REDIS_URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/14")
BENCH_QUEUE = f"bench-{os.environ.get('BENCH_RUN', '0')}"
BENCH_URL = os.environ.get("BENCH_URL", "https://127.0.0.1:1")
BENCH_CA = os.environ.get("BENCH_CA", "")
BENCH_SESSION = os.environ.get("BENCH_SESSION", "yes") == "yes"

ELEVATE = {
    **_ELEVATE,
    "URL": BENCH_URL,
    "CA_BUNDLE": BENCH_CA,
    "DISPATCHER": os.environ.get("BENCH_DISPATCHER", "worker"),
    "ORDER_SOURCE": f"tests.benchmarks.source.{os.environ.get('BENCH_SOURCE', 'BatchSource')}",
    # What is measured is the queue; a sweep would read orders in between.
    "SWEEP_INTERVAL": 86400.0,
}

PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "procrastinate_jobs"
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
Q_CLUSTER = {
    "name": BENCH_QUEUE,
    "redis": REDIS_URL,
    "workers": int(os.environ.get("BENCH_Q_WORKERS", "2")),
    "queue_limit": 100,
    "bulk": 10,
    "recycle": 100_000,
    "timeout": 60,
    "retry": 120,
    # Successes are not written: the row itself says that it is done.
    "save_limit": -1,
    "scheduler": False,
    "catch_up": False,
    "log_level": "ERROR",
}
