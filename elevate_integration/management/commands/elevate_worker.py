"""`manage.py elevate_worker`: delivery as a process of its own."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from elevate_integration.delivery.listener import Listener, can_listen
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

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        worker = Worker(threads=options["threads"], poll=options["poll"])
        if options["once"]:
            made = worker.run_once()
            self.stdout.write(f"{made} calls made.")
            # A nightly comparison that is due began beside the delivery, and would end with this process.
            nightly.finish()
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        self.stdout.write("Delivering. Stop with Ctrl-C; calls in flight are finished.")
        listener = Listener(worker.wake) if can_listen() else None
        if listener is not None:
            listener.start()
        worker.run()
        if listener is not None:
            listener.stop()
        self.stdout.write("Stopped.")
