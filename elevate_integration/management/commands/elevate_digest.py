"""`manage.py elevate_digest`: one mail a day with what is new and needs a person, for cron."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from elevate_integration import digest


class Command(BaseCommand):
    """Silent when nothing is wrong."""

    help = "Mails what is new and needs a person: one mail, or none when nothing is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the mail; send nothing and remember nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the mail; print or send it."""
        now = digest.now()
        mail = digest.prepare(now)
        if options["dry_run"]:
            self.stdout.write(self._shown(mail))
            return
        if mail is not None and not mail.to:
            raise CommandError(
                'Nobody is named who gets the digest. Set ELEVATE["DIGEST_RECIPIENTS"] or MANAGERS; nothing is lost, '
                "the next digest tells it."
            )
        try:
            digest.send(mail, now)
        except OSError as error:
            raise CommandError(
                f"The digest could not be sent ({type(error).__name__}: {error}). Check the e-mail settings; nothing "
                "is lost, the next digest tells it."
            ) from error
        self.stdout.write("Nothing new." if mail is None else f"Sent to {len(mail.to)}: {mail.subject}.")

    def _shown(self, mail: digest.Mail | None) -> str:
        if mail is None:
            return "Nothing new; no mail would be sent."
        return f"To: {', '.join(mail.to) or 'nobody'}\nSubject: {mail.subject}\n\n{mail.body}"
