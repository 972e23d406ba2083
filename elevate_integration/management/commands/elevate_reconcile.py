"""`manage.py elevate_reconcile`: our registrations against Elevate's report, day by day."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date

from elevate_integration.conf import conf
from elevate_integration.reconcile.days import BACK, between, last_days, not_done, today
from elevate_integration.reconcile.results import Busy, DayDone, Run
from elevate_integration.reconcile.run import Step, reconcile


class Command(BaseCommand):
    """Never registers, cancels or deletes; ends with 1 when a day could not be read."""

    help = (
        "Compares registrations with Elevate's report, day by day, and goes on where it stopped. Settles lost answers "
        "that the report has; lists what differs for staff."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        parser.add_argument("--day", metavar="DATE", help="One day, also if it was compared before.")
        parser.add_argument("--since", metavar="DATE", help="All days from this one on.")
        parser.add_argument("--until", metavar="DATE", help="The last day; yesterday otherwise.")
        parser.add_argument("--days", type=int, metavar="N", help=f"The last N days; {BACK} otherwise.")
        parser.add_argument("--again", action="store_true", help="Read days again that are done.")
        parser.add_argument("--dry-run", action="store_true", help="Read and tell, write nothing down.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Choose the days, run, tell."""
        days = self._days(options)
        if not options["again"] and not options["day"]:
            days = not_done(days, conf().url)
        if not days:
            self.stdout.write("Every day is compared. To read them again, add --again.")
            return
        try:
            run = reconcile(days, told=self._tell_step, dry_run=options["dry_run"])
        except Busy as error:
            raise CommandError(f"{error} Try again when that is done.") from None
        except KeyboardInterrupt:
            raise CommandError("Stopped. What is compared is written down; the next run goes on.") from None
        self._tell(run)

    def _days(self, options: dict[str, Any]) -> list[date]:
        given = [name for name in ("day", "since", "days") if options[name] is not None]
        if len(given) > 1 or (options["until"] and given != ["since"]):
            raise CommandError("Give --day, or --since with or without --until, or --days.")
        if options["day"]:
            return [_date(options["day"])]
        if options["since"]:
            last = _date(options["until"]) if options["until"] else today() - timedelta(days=1)
            first = _date(options["since"])
            if first > last:
                raise CommandError(f"{first} comes after {last}.")
            return between(first, last)
        count = BACK if options["days"] is None else options["days"]
        if count < 1:
            raise CommandError("--days needs a number from 1 on.")
        return last_days(count)

    def _tell_step(self, step: Step) -> None:
        is_terminal = self.stderr.isatty()
        if is_terminal and step.last is not None:
            self.stderr.write("\r\033[K", ending="")
        if step.last is not None:
            self.stdout.write(_line(step.last))
        if is_terminal and step.done < step.total:
            filled = 30 * step.done // step.total
            bar = f"[{'#' * filled}{'.' * (30 - filled)}] {step.done} of {step.total} days, at {step.day}"
            self.stderr.write(f"\r{bar}", ending="")

    def _tell(self, run: Run) -> None:
        read = [done for done in run.days if done.is_read]
        self.stdout.write(
            f"{len(read)} days compared, {sum(done.settled for done in read)} lost answers found, "
            f"{sum(done.differences for done in read)} differences wait for staff."
        )
        if run.stopped:
            left = f" {run.left} days are left; the next run goes on there." if run.left else ""
            raise CommandError(f"It stopped. {run.stopped}{left}")
        if run.unread:
            raise CommandError(f"{len(run.unread)} days could not be read; the next run reads them again.")


def _date(text: str) -> date:
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"{text!r} is no date. Write it as 2026-01-31.")
    if day > today() + timedelta(days=1):
        raise CommandError(f"{day} has not come yet.")
    return day


def _line(done: DayDone) -> str:
    if not done.is_read:
        return f"{done.day}: could not be read. {done.message}"
    kinds = ", ".join(f"{kind} {number}" for kind, number in done.kinds.items())
    differences = f"{done.differences} differences" + (f" ({kinds})" if kinds else "")
    told = f"{done.day}: {done.there} at Elevate, {done.settled} lost answers found, {differences}."
    return f"{told} {done.beside}".strip()
