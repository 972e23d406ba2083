"""`manage.py elevate_worker`: delivery as a process of its own."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from elevate_integration import watching
from elevate_integration.conf import conf
from elevate_integration.delivery.listener import ListeningInbox, can_listen
from elevate_integration.delivery.worker import Worker
from elevate_integration.reconcile import nightly


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C, which let the calls in flight finish."""

    help = "Delivers registrations and cancellations to Elevate. Any number of workers may run beside each other."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        parser.add_argument(
            "--once", action="store_true", help="Deliver what is due now, sweep, and exit (for cron)."
        )
        parser.add_argument(
            "--threads", type=int, help="Calls in flight at most; the setting THREADS otherwise."
        )
        parser.add_argument("--poll", type=float, default=1.0, help="Seconds between looks at an idle queue.")
        parser.add_argument(
            "--metrics-port", type=int, help="Show Prometheus what this worker does, at this port."
        )
        parser.add_argument(
            "--metrics-address",
            default="127.0.0.1",
            help="Where --metrics-port listens; `::` for everywhere.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        if options["metrics_port"] is not None:
            _show_metrics(options["metrics_port"], options["metrics_address"], once=options["once"])
        inbox = ListeningInbox() if can_listen() and not options["once"] else None
        worker = Worker(threads=options["threads"], poll=options["poll"], inbox=inbox)
        if options["once"]:
            made = worker.run_once()
            self.stdout.write(f"{made} calls made.")
            # A nightly comparison that is due began beside the delivery, and would end with this process.
            nightly.finish()
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        self.stdout.write("Delivering. Stop with Ctrl-C; calls in flight are finished.")
        worker.run()
        self.stdout.write("Stopped.")


def _show_metrics(port: int, address: str, *, once: bool) -> None:
    if once:
        raise CommandError("--metrics-port is for a worker that stays: nobody would ask one that exits.")
    if "prometheus" not in conf().watch:
        raise CommandError('Nothing is measured: name "prometheus" in ELEVATE["WATCH"].')
    missing = watching.not_installed(frozenset({"prometheus"}))
    if missing:
        raise CommandError("Install django-elevate-integration[prometheus] for --metrics-port.")
    from elevate_integration.watching import prometheus

    try:
        prometheus.serve(port, address)
    except (OSError, OverflowError) as error:
        raise CommandError(f"The metrics cannot be shown at {address}, port {port}: {error}") from error
