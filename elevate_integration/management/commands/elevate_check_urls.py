"""Asks whether the Remote Registration URLs answer, for cron. Thin: the work is in `staff.addresses`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from elevate_integration import staff


class Command(BaseCommand):
    """`elevate_check_urls [--limit N] [--seconds N]`: exit code 1 when an address does not answer."""

    help = "Ask whether the Remote Registration URLs of the active product mappings answer."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the bounds."""
        parser.add_argument(
            "--limit", type=int, default=1000, help="At most so many mappings. Default: 1000."
        )
        parser.add_argument("--seconds", type=float, default=300.0, help="For all together. Default: 300.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask and count."""
        checked = staff.check_addresses(limit=options["limit"], seconds=options["seconds"])
        self.stdout.write(
            f"{checked.answering} answer, {checked.failing} do not, {checked.left} not asked in time."
        )
        if checked.failing:
            raise CommandError("Some addresses do not answer: see the list of product mappings in the admin.")
