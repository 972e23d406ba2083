"""`manage.py elevate_prune`: forget what is old, for cron, or one member on request."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from elevate_integration import forgetting
from elevate_integration.conf import conf
from elevate_integration.forgetting import SeveralMembers, Tally


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ArgumentTypeError("a whole number from 1 is needed")
    return int(text)


class Command(BaseCommand):
    """Prints numbers, and nobody's name."""

    help = (
        "Deletes old records of calls, forgets names and addresses that are no longer needed, or one member."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be forgotten."""
        parser.add_argument(
            "--attempts-after",
            type=_number,
            metavar="DAYS",
            help="Delete records of calls older than this, instead of PRUNE_ATTEMPTS_AFTER.",
        )
        parser.add_argument(
            "--forget-after",
            type=_number,
            metavar="DAYS",
            help="Forget names and addresses of finished registrations after this, instead of FORGET_AFTER.",
        )
        parser.add_argument(
            "--member", default="", metavar="ID", help="Forget this member alone, by the user ID at Elevate."
        )
        parser.add_argument(
            "--email", default="", metavar="ADDRESS", help="Forget the member with this address."
        )
        parser.add_argument(
            "--batch", type=_number, default=500, metavar="N", help="How many rows go in one transaction."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be forgotten, and forget nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Forget, and tell how much."""
        if options["member"] or options["email"]:
            if options["attempts_after"] or options["forget_after"]:
                raise CommandError("Forget one member, or what is old: not both at once.")
            self._erase(options)
            return
        attempts_after = options["attempts_after"] or conf().prune_attempts_after
        forget_after = options["forget_after"] or conf().forget_after
        if attempts_after is None and forget_after is None:
            raise CommandError(
                'Nothing is to be forgotten. Set ELEVATE["PRUNE_ATTEMPTS_AFTER"] or ["FORGET_AFTER"], or give '
                "--attempts-after, --forget-after, --member or --email."
            )
        how = {"dry_run": options["dry_run"], "batch": options["batch"]}
        if forget_after is not None:
            self._tell_forgotten(
                forgetting.forget_old(forget_after, progress=self._progress("forgotten"), **how), options
            )
        if attempts_after is not None:
            tally = forgetting.prune_attempts(attempts_after, progress=self._progress("deleted"), **how)
            done = "would be deleted" if options["dry_run"] else "deleted"
            self.stdout.write(f"Records of calls: {tally.calls} {done}.")
            self._tell_left(tally)

    def _erase(self, options: dict[str, Any]) -> None:
        try:
            tally = forgetting.erase(
                member=options["member"], email=options["email"], dry_run=options["dry_run"]
            )
        except SeveralMembers as error:
            raise CommandError(
                f"More than one member has this address: the user IDs {', '.join(error.ids)}. Name one by --member."
            ) from None
        self._tell_forgotten(tally, options)
        if tally.passed_over:
            raise CommandError(
                "Not everything is forgotten. Run it again when those registrations are finished.",
                returncode=2,
            )

    def _tell_forgotten(self, tally: Tally, options: dict[str, Any]) -> None:
        done = "would be forgotten" if options["dry_run"] else "forgotten"
        self.stdout.write(
            f"Registrations: {tally.registrations} {done}. Names typed for seats: {tally.seats}. Differences with "
            f"Elevate's report: {tally.differences}."
        )
        self._tell_left(tally)

    def _tell_left(self, tally: Tally) -> None:
        if tally.passed_over:
            self.stdout.write(f"Passed over: {tally.passed_over}.")
            for reason, number in sorted(tally.left.items()):
                self.stdout.write(f"  {number}: {reason}")

    def _progress(self, word: str) -> Callable[[int], None]:
        """Count up on a terminal's last line, which what is told afterwards takes the place of."""
        if not self.stderr.isatty():
            return lambda _: None
        return lambda number: self.stderr.write(f"\r{number} {word}\r", ending="")
