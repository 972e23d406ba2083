"""How fast due registrations are delivered: `python -m tests.benchmarks.drain --rows 5000 --threads 16 --workers 2`.

Uses the database of TEST_DATABASE_URL (PostgreSQL is what counts) in a schema of its own, over HTTPS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")


def start_elevate(latency: float) -> tuple[subprocess.Popen[str], str, str]:
    command = [sys.executable, "-m", "tests.benchmarks.fast_elevate", "--tls", "--latency", str(latency)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url, ca_path = server.stdout.readline().split()
    return server, url, ca_path


def seed(rows: int) -> None:
    from elevate_integration.clock import database_now
    from elevate_integration.models import DeliveryState, ProductMapping, Registration, database

    Registration.objects.all().delete()
    DeliveryState.objects.all().delete()
    mapping = ProductMapping.objects.get_or_create(product_key="bench", remote_product_id="ABCD1234")[0]
    now = database_now(database())
    DeliveryState.objects.create(pk=1, sweep_due_at=now.replace(year=now.year + 1))
    Registration.objects.bulk_create(
        [
            Registration(
                order_ref=str(n), seat_key="1", mapping=mapping, remote_product_id="ABCD1234", learner_key=f"M-{n}",
                remote_user_id=f"M-{n}", firstname="Ada", lastname="Sample", email=f"m{n}@example.org",
                amount_paid="120.00", due_at=now,
            )
            for n in range(rows)
        ],
        batch_size=1000,
    )  # fmt: skip


def drain(rows: int, threads: int, workers: int, url: str, ca_path: str) -> float:
    from elevate_integration.models import Registration

    environment = {**os.environ, "BENCH_URL": url, "BENCH_CA": ca_path}
    command = [sys.executable, "-m", "tests.benchmarks.drain", "--as-worker", "--threads", str(threads)]
    started = time.perf_counter()
    running = [subprocess.Popen(command, env=environment) for _ in range(workers)]
    for process in running:
        process.wait()
    seconds = time.perf_counter() - started
    assert Registration.objects.filter(status="registered").exclude(registration_id="").count() == rows
    return seconds


def work(threads: int) -> None:
    from django.conf import settings
    from django.test import override_settings

    from elevate_integration.delivery.worker import Worker

    there = {"URL": os.environ["BENCH_URL"], "CA_BUNDLE": os.environ["BENCH_CA"]}

    override_settings(ELEVATE={**settings.ELEVATE, **there}).enable()
    started = time.perf_counter()
    made = Worker(threads=threads).run_once(sweeping=False)
    spent = time.perf_counter() - started
    print(f"  a worker made {made} calls in {spent:.2f} s: {made / spent:.0f} a second")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--as-worker", action="store_true")
    options = parser.parse_args()
    django.setup()
    if options.as_worker:
        work(options.threads)
        return
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    server, url, ca_path = start_elevate(options.latency)
    try:
        seed(options.rows)
        seconds = drain(options.rows, options.threads, options.workers, url, ca_path)
    finally:
        server.terminate()
        server.wait()
    _tell(options, seconds)


def _tell(options: Any, seconds: float) -> None:
    print(
        f"{options.rows} rows, {options.workers} workers of {options.threads} threads, {options.latency} s server: "
        f"{options.rows / seconds:.0f} rows a second, process start included"
    )


if __name__ == "__main__":
    main()
