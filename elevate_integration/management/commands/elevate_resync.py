"""`manage.py elevate_resync`: read orders again and make the registrations match them."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import datetime, time
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime

from elevate_integration import resync
from elevate_integration.conf import conf, in_host_zone


class Command(BaseCommand):
    """Counts first; more than the caps needs an explicit number."""

    help = "Reads orders again and makes the registrations match them: by order, by product, by date, or all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--order", action="append", metavar="REF", help="One order; may be given again.")
        which.add_argument(
            "--product", metavar="KEY", help="Orders with this product key or Remote Product ID."
        )
        which.add_argument(
            "--since", metavar="DATE", help="Orders changed since a date, or since the `last` time."
        )
        which.add_argument("--all", action="store_true", help="All orders of the store.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would happen, and do nothing.")
        parser.add_argument("--max-new", type=int, metavar="N", help="Allow up to N new registrations.")
        parser.add_argument("--max-cancels", type=int, metavar="N", help="Allow up to N cancels.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count, ask the caps, act, tell."""
        started = resync.now()
        orders = self._orders(options)
        counted = resync.count(orders(), self._progress("counted"))
        self._tell("Would do" if options["dry_run"] else "To do", counted)
        if options["dry_run"]:
            return
        settings = conf()
        max_new = settings.new_per_sweep if options["max_new"] is None else options["max_new"]
        max_cancels = settings.cancels_per_hour if options["max_cancels"] is None else options["max_cancels"]
        self._ask_caps(counted, max_new, max_cancels)
        done = resync.run(
            orders(),
            max_new=max_new,
            max_cancels=max_cancels,
            actor=getpass.getuser(),
            progress=self._progress("synced", counted.orders),
        )
        self._tell("Done", done)
        if options["since"] == "last" and not done.stopped:
            resync.remember(started)
        if done.failed:
            raise CommandError(f"{done.failed} orders could not be read; nothing of theirs was changed.")

    def _orders(self, options: dict[str, Any]) -> Callable[[], Iterator[str]]:
        if options["order"]:
            return lambda: iter(options["order"])
        if options["product"]:
            return partial(resync.orders_of_product, options["product"])
        return partial(resync.orders_since, None if options["all"] else self._moment(options["since"]))

    def _moment(self, text: str) -> datetime:
        if text == "last":
            since = resync.last_sweep()
            if since is None:
                raise CommandError("Nothing was swept yet and GO_LIVE is not set. Set it, or give a date.")
            return since
        day = parse_date(text) if len(text) <= 10 else None
        moment = datetime.combine(day, time.min) if day else parse_datetime(text)
        if moment is None:
            raise CommandError(f"{text!r} is no date. Write it as 2026-01-31, or `last` for the last sweep.")
        return in_host_zone(moment)

    def _ask_caps(self, counted: resync.Totals, max_new: int, max_cancels: int) -> None:
        if counted.new > max_new:
            raise CommandError(
                f"This would make {counted.new} registrations; the cap is {max_new}. Nothing was done. "
                f"If that is right, add --max-new {counted.new}."
            )
        if counted.cancels > max_cancels:
            raise CommandError(
                f"This would cancel {counted.cancels} registrations; the cap is {max_cancels}. Nothing was done. "
                f"If that is right, add --max-cancels {counted.cancels}."
            )

    def _progress(self, word: str, total: int | None = None) -> Callable[[int], None]:
        if not self.stderr.isatty():
            return lambda _: None

        def show(done: int) -> None:
            if total:
                filled = 30 * min(done, total) // total
                bar = f"[{'#' * filled}{'.' * (30 - filled)}] {done} of {total} orders {word}"
            else:
                bar = f"{done} orders {word}"
            self.stderr.write(f"\r{bar}", ending="")

        return show

    def _tell(self, what: str, totals: resync.Totals) -> None:
        if self.stderr.isatty():
            # What was counted or synced last stands there without an end.
            self.stderr.write()
        self.stdout.write(
            f"{what}: {totals.orders} orders read, {totals.new} new registrations, {totals.cancels} cancels, "
            f"{totals.changed} other changes, {totals.unmapped} unmapped sales, {totals.failed} unreadable."
        )
        for ref, error in totals.errors:
            self.stdout.write(f"  order {ref}: {error}")
