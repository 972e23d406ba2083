"""`manage.py demo`: see the whole thing at work, or (`--once`) have it prove itself."""

from __future__ import annotations

import os
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.signals import setting_changed
from django.db import connections

from elevate_integration import signals
from elevate_integration.delivery import dispatchers
from elevate_integration.models import DeliveryState, ProductMapping, Registration
from elevate_integration.testing import FakeElevate
from example_project.demo.proof import Proof, describe, prove
from example_project.store.catalogue import PASSWORD, PEOPLE, STAFF_EMAIL, elevate_products, load_demo

FAKE_KEY = "demo-key"


class Command(BaseCommand):
    """Migrates a fresh SQLite file, loads a small catalogue, starts a fake Elevate and the store."""

    help = "Runs the example store and a fake Elevate side by side; --once proves every scenario and exits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        parser.add_argument(
            "--once", action="store_true", help="Play all scenarios, print a table, and exit."
        )
        parser.add_argument("--port", type=int, default=8000, help="Port of the store.")
        parser.add_argument("--elevate-port", type=int, default=8001, help="Port of the fake Elevate.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        if options["once"]:
            with TemporaryDirectory(prefix="elevate-demo-") as folder:
                self._use_database(Path(folder) / "demo.sqlite3")
                self._once()
                connections.close_all()
        else:
            self._serve(options["port"], options["elevate_port"])

    def _once(self) -> None:
        self._load()
        with self._fake(port=0) as elevate:
            self._point_to(elevate, DISPATCHER="worker", CANCEL_GRACE=0.2)
            proofs = list(prove(elevate.url))
        self._table(proofs)
        state = DeliveryState.objects.filter(pk=1).first()
        if state is not None and state.gate:
            self.stdout.write(f"Delivery waits ({state.gate}): {state.gate_message}")
        wrong = [proof for proof in proofs if proof.wrong]
        if wrong:
            raise CommandError(f"{len(wrong)} of {len(proofs)} scenarios did not end as they must.")
        self.stdout.write(self.style.SUCCESS(f"All {len(proofs)} scenarios ended as they must."))

    def _serve(self, port: int, elevate_port: int) -> None:
        path = settings.BASE_DIR / "demo.sqlite3"
        for leftover in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            leftover.unlink(missing_ok=True)
        self._use_database(path)
        # First, since the addresses for Elevate are made of it.
        settings.SITE_URL = f"http://127.0.0.1:{port}"
        self._load()
        with self._fake(port=elevate_port) as elevate:
            self._point_to(elevate, DISPATCHER="thread")
            self._tell_live(elevate)
            self.stdout.write(
                f"\nStore:    http://127.0.0.1:{port}/          log in as {PEOPLE[0][3]}, password {PASSWORD}\n"
                f"Staff:    http://127.0.0.1:{port}/admin/    log in as {STAFF_EMAIL}, password {PASSWORD}\n"
                f"Elevate:  {elevate.url}/          (a fake; what it holds: {elevate.url}/_fake/registrations)\n"
                "Begin at either: at the store, or with a Register button at Elevate.\n"
                "Stop with Ctrl-C. Every start begins afresh.\n"
            )
            call_command("runserver", f"127.0.0.1:{port}", use_reloader=False, skip_checks=True)

    def _use_database(self, path: Path) -> None:
        """Keep the demo in a file of its own; a DATABASE_URL in the environment wins."""
        connection = connections["default"]
        if connection.vendor == "sqlite" and not os.environ.get("DATABASE_URL"):
            connection.close()
            connection.settings_dict["NAME"] = str(path)

    def _load(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        load_demo()

    @contextmanager
    def _fake(self, *, port: int) -> Iterator[FakeElevate]:
        """Run a fake that sells every mapped product but one."""
        fake = FakeElevate(api_key=FAKE_KEY, products=(), port=port)
        urls = dict(ProductMapping.objects.values_list("remote_product_id", "remote_registration_url"))
        for product_id, title in elevate_products().items():
            fake.add_product(product_id, title, registration_url=urls.get(product_id, ""))
        try:
            fake.start()
        except OSError as error:
            raise CommandError(
                f"Port {port} is taken: {error}. Choose another with --elevate-port."
            ) from error
        try:
            yield fake
        finally:
            fake.stop()

    def _point_to(self, elevate: FakeElevate, **changes: Any) -> None:
        settings.ELEVATE = {**settings.ELEVATE, "URL": elevate.url, **changes}
        setting_changed.send(sender=type(self), setting="ELEVATE", value=settings.ELEVATE, enter=True)
        dispatchers.start()

    def _tell_live(self, elevate: FakeElevate) -> None:
        say = threading.Lock()

        def tell(what: str, registration: Registration) -> None:
            words = "; ".join(text for _, text in registration.error_messages)
            with say:
                self.stdout.write(
                    f"  {what}: {registration.product_title} (order {registration.order_ref}, "
                    f"user {registration.remote_user_id}) {words or registration.registration_id}"
                )

        self._receivers = [
            lambda registration, **_: tell("registered", registration),
            lambda registration, **_: tell("refused   ", registration),
            lambda registration, **_: tell("cancelled ", registration),
        ]
        signals.registered.connect(self._receivers[0])
        signals.refused.connect(self._receivers[1])
        signals.cancelled.connect(self._receivers[2])

    def _table(self, proofs: list[Proof]) -> None:
        width = max(len(proof.scenario.title) for proof in proofs)
        self.stdout.write(f"\n{'Scenario':<{width}}  {'Our status':<32}  At Elevate")
        self.stdout.write(f"{'-' * width}  {'-' * 32}  {'-' * 40}")
        for proof in proofs:
            ours = ", ".join(
                f"{status} x {n}" if n > 1 else status for status, n in Counter(proof.ours).items()
            )
            if proof.unmapped:
                ours = f"{ours or 'none'}, {proof.unmapped} unmapped sale listed"
            line = f"{proof.scenario.title:<{width}}  {ours or 'none':<32}  {describe(proof.theirs)}"
            self.stdout.write(line)
            if proof.words:
                self.stdout.write(f"{'':<{width}}  Elevate: {proof.words}")
            if proof.wrong:
                self.stdout.write(self.style.ERROR(f"{'':<{width}}  WRONG: {proof.wrong}"))
        self.stdout.write("")
