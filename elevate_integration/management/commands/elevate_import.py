"""`manage.py elevate_import`: take over registrations that exist at Elevate already."""

from __future__ import annotations

import csv
import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from elevate_integration.importing import COLUMNS, import_rows


class Command(BaseCommand):
    """Imports what it can, and lists line by line what it could not."""

    help = (
        "Imports existing registration IDs from a CSV file before going live, without calling Elevate. "
        f"Columns: {', '.join(COLUMNS)}, and optionally product_url."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be asked for."""
        parser.add_argument("file", type=Path, help="A CSV file in UTF-8 with a line of headers.")
        parser.add_argument("--dry-run", action="store_true", help="Check every line, and write nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, import, tell."""
        imported = already = 0
        errors = 0
        try:
            with options["file"].open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream)
                missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
                if missing:
                    raise CommandError(f"The file has no column {', '.join(missing)}.")
                for row in import_rows(reader, dry_run=options["dry_run"], actor=getpass.getuser()):
                    if row.error:
                        errors += 1
                        self.stderr.write(f"line {row.line}, order {row.order_ref}: {row.error}")
                    elif row.already:
                        already += 1
                    else:
                        imported += 1
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        verb = "would be imported" if options["dry_run"] else "imported"
        self.stdout.write(f"{imported} {verb}, {already} known already, {errors} left out.")
        if errors:
            raise CommandError(f"{errors} lines were left out; mend them and run the file again.")
