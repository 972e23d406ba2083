"""`manage.py elevate_doctor`: is everything in place, and what exactly would be sent for this member?"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from elevate_integration import __version__, doctor
from elevate_integration.words import STATUSES

# As plug-ins for monitoring answer (Nagios, Icinga and their heirs).
STATUS = {doctor.OK: 0, doctor.WARNING: 1, doctor.ERROR: 2}
UNKNOWN = 3


class Command(BaseCommand):
    """Reads and prints; changes nothing, and never shows the API key."""

    help = (
        "Looks whether everything is in place: settings, database, the way to Elevate, products, members, delivery.\n"
        "Or shows what would be sent for a member, or an order. Exit status: 0 all well, 1 warnings, 2 errors,\n"
        "3 the question cannot be answered (no such member or product)."
    )
    # The findings name what is wrong, one by one; Django's own checks would stop at the first error.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument(
            "--member",
            dest="member",
            metavar="NAME",
            help="Show what would be sent for this member, without sending: user name, e-mail, primary key or user ID.",
        )
        parser.add_argument(
            "--product", metavar="KEY", default="", help="With --member: a product key or Remote Product ID."
        )
        parser.add_argument(
            "--order", metavar="REF", help="Show an order as the store tells it, and its registrations."
        )
        parser.add_argument("--json", action="store_true", help="Print JSON, for programs.")
        parser.add_argument("--offline", action="store_true", help="Do not connect to the Elevate site.")
        parser.add_argument(
            "--key",
            action="store_true",
            help="Try the key by one empty query to Elevate's report. For now and then: Elevate limits reports.",
        )
        parser.add_argument(
            "--fail-on",
            choices=("warning", "error", "never"),
            default="warning",
            help="From which level on the exit status is not 0. Default: warning.",
        )
        parser.add_argument(
            "--ignore",
            action="append",
            default=[],
            metavar="CODE",
            help="Show this finding, and leave it out of the exit status. May be given again.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Tell what was found. Fails by its exit status, so that monitoring and a deployment can go by it."""
        if options["member"] is not None:
            self._tell_member(options["member"], options["product"], as_json=options["json"])
            return
        if options["order"] is not None:
            self._tell_order(options["order"], as_json=options["json"])
            return
        if options["product"]:
            raise CommandError("--product goes with --member.", returncode=UNKNOWN)
        findings = list(doctor.examine(network=not options["offline"], key=options["key"]))
        counted = [one for one in findings if one.code not in options["ignore"]]
        level = doctor.worst(counted)
        fails = options["fail_on"] != "never" and STATUS[level] >= STATUS[options["fail_on"]]
        status = STATUS[level] if fails else 0
        if options["json"]:
            self._write_json(
                version=__version__,
                level=level,
                exit_status=status,
                findings=[
                    {**asdict(one), "group": one.group, "ignored": one.code in options["ignore"]}
                    for one in findings
                ],
            )
        else:
            self._tell_all(findings)
        if status:
            wrong = [one.level for one in counted]
            raise CommandError(
                f"{doctor.some(wrong.count(doctor.ERROR), 'error', 'errors')} and"
                f" {doctor.some(wrong.count(doctor.WARNING), 'warning', 'warnings')} among {len(findings)} findings.",
                returncode=status,
            )

    def _write_json(self, **shown: Any) -> None:
        self.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False, default=str))

    def _tell_all(self, findings: Sequence[doctor.Finding]) -> None:
        for group in dict.fromkeys(one.group for one in findings):
            self.stdout.write(self.style.MIGRATE_HEADING(group))
            for one in findings:
                if one.group == group:
                    self._tell(one)

    def _tell(self, finding: doctor.Finding) -> None:
        style = {
            doctor.OK: self.style.SUCCESS,
            doctor.WARNING: self.style.WARNING,
            doctor.ERROR: self.style.ERROR,
        }
        self.stdout.write(f"  {style[finding.level](f'{finding.level:<8}')}{finding.text} [{finding.code}]")
        self.stdout.write(f"{'':<10}How it is known: {finding.how}")
        if finding.mend:
            self.stdout.write(f"{'':<10}What to do: {finding.mend}")

    def _tell_member(self, name: str, product: str, *, as_json: bool) -> None:
        try:
            sent = doctor.would_send(doctor.find_user(name), product)
        except LookupError as error:
            raise CommandError(str(error.args[0] if error.args else error), returncode=UNKNOWN) from error
        except Exception as error:
            text = f"It could not be worked out: {type(error).__name__}: {error}"
            raise CommandError(text, returncode=UNKNOWN) from error
        if sent.learner is None:
            text = "The order source knows no learner for this user: see `learner_for`."
            raise CommandError(text, returncode=UNKNOWN)
        if as_json:
            self._write_json(
                url=sent.url,
                mapping=sent.mapping,
                body_without_key=sent.fields,
                problems=sent.problems,
                registrations=sent.standing,
            )
            return
        self.stdout.write(f"User ID at Elevate: {sent.learner.remote_user_id or '(none)'}")
        self.stdout.write(f"It must be what the single sign-on sends. Mapping: {sent.mapping or '(none)'}")
        self.stdout.write(f"A registration would be a POST to {sent.url} of this, and the API key:")
        self.stdout.write(json.dumps(sent.fields, indent=2, ensure_ascii=False, default=str))
        self.stdout.write("The amount is what was paid for the seat; here nothing was. Nothing was sent.")
        for problem in sent.problems:
            self.stdout.write(self.style.WARNING(f"{doctor.WARNING:<8}") + problem)
        for standing in sent.standing:
            self.stdout.write(f"There is already: {standing}")

    def _tell_order(self, ref: str, *, as_json: bool) -> None:
        try:
            shot, result, rows = doctor.order_now(ref)
        except Exception as error:
            text = f"The order could not be read: {type(error).__name__}: {error}"
            raise CommandError(text, returncode=UNKNOWN) from error
        lines = [] if shot is not None else [f"The store has no order {ref}."]
        for seat in shot.seats if shot is not None else ():
            learner = seat.learner.remote_user_id if seat.learner else "nobody"
            state = "paid" if seat.active else "not paid, refunded or cancelled"
            lines.append(f"{seat.key}: {seat.title or seat.product_keys[0]}, {state}, learner {learner}")
        for row in rows:
            at = f", registration ID {row.registration_id}" if row.registration_id else ""
            lines.append(f"{row.seat_key}: {row.remote_product_id}, {STATUSES[row.status]}{at}")
        lines.append(
            f"A sync would make {result.created}, cancel {result.cancelled}, change {result.changed}"
            f" and list {result.unmapped} unmapped."
        )
        if as_json:
            self._write_json(order=ref, lines=lines)
            return
        self.stdout.write("\n".join(lines))
