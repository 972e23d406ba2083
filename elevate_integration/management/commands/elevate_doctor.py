"""`manage.py elevate_doctor`: is everything in place, and what exactly would be sent for this member?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from elevate_integration import doctor
from elevate_integration.words import STATUSES


class Command(BaseCommand):
    """Reads and prints; changes nothing, and never shows the API key."""

    help = "Looks whether everything is in place, and shows what would be sent for a member or an order."
    # The findings name what is wrong, one by one; Django's own checks would stop at the first error.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        parser.add_argument(
            "--user",
            metavar="NAME",
            help="Show what would be sent for this user: name, e-mail or primary key.",
        )
        parser.add_argument(
            "--product", metavar="KEY", default="", help="With --user: a product key or Remote Product ID."
        )
        parser.add_argument(
            "--order", metavar="REF", help="Show an order as the store tells it, and its registrations."
        )
        parser.add_argument(
            "--connect",
            action="store_true",
            help="Also connect to the Elevate site, without sending the key.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Tell what was found. Fails when anything is wrong, so that a deployment can stop on it."""
        if options["user"] is not None:
            self._tell_user(options["user"], options["product"])
            return
        if options["order"] is not None:
            self._tell_order(options["order"])
            return
        findings = list(doctor.examine())
        if options["connect"]:
            findings.append(doctor.reach())
        for finding in findings:
            self._tell(finding)
        wrong = sum(finding.level == doctor.ERROR for finding in findings)
        if wrong:
            raise CommandError(f"{wrong} of {len(findings)} things are wrong.")

    def _tell(self, finding: doctor.Finding) -> None:
        style = {
            doctor.OK: self.style.SUCCESS,
            doctor.WARNING: self.style.WARNING,
            doctor.ERROR: self.style.ERROR,
        }
        self.stdout.write(style[finding.level](f"{finding.level:<8}") + finding.text)
        if finding.mend:
            self.stdout.write(f"{'':<8}{finding.mend}")

    def _tell_user(self, name: str, product: str) -> None:
        try:
            sent = doctor.would_send(doctor.find_user(name), product)
        except (LookupError, AttributeError, DatabaseError) as error:
            raise CommandError(str(error)) from error
        if sent.learner is None:
            raise CommandError("The order source knows no learner for this user: see `learner_for`.")
        self.stdout.write(f"User ID at Elevate: {sent.learner.remote_user_id or '(none)'}")
        self.stdout.write(
            "It must be what the single sign-on sends. A registration would send, and the API key:"
        )
        self.stdout.write(json.dumps(sent.fields, indent=2, ensure_ascii=False, default=str))
        for problem in sent.problems:
            self._tell(doctor.Finding(doctor.WARNING, problem))

    def _tell_order(self, ref: str) -> None:
        shot, result, rows = doctor.order_now(ref)
        if shot is None:
            self.stdout.write(f"The store has no order {ref}.")
        for seat in shot.seats if shot is not None else ():
            learner = seat.learner.remote_user_id if seat.learner else "nobody"
            state = "paid" if seat.active else "not paid, refunded or cancelled"
            self.stdout.write(f"{seat.key}: {seat.title or seat.product_keys[0]}, {state}, learner {learner}")
        for row in rows:
            at = f", registration ID {row.registration_id}" if row.registration_id else ""
            self.stdout.write(f"{row.seat_key}: {row.remote_product_id}, {STATUSES[row.status]}{at}")
        self.stdout.write(
            f"A sync would make {result.created}, cancel {result.cancelled}, change {result.changed}"
            f" and list {result.unmapped} unmapped."
        )
