"""Takes a store from the tables of a release to those of today: what is looked at is told, what must hold is tested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elevate_integration.testing import FakeElevate
from tests.host import SHOP, Host
from tests.released import Release

_SCRIPT = (
    SHOP
    + """
import json
from pathlib import Path
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from tests.released import load
from tests.released.tables import dump, restore

release = load(Path("release.json"))

def migrate(to):
    call_command("migrate", "elevate_integration", *to, verbosity=0, interactive=False)

def told(apps):
    return json.loads(dump(apps))

ProductMapping.objects.all().delete()
migrate(["zero"])
migrate([release.migration])
then = MigrationExecutor(connection).loader.project_state([("elevate_integration", release.migration)]).apps
restore(release.rows, then)
found["released"] = told(then)
migrate([])
from django.apps import apps as today
found["upgraded"] = told(today)
migrate([release.migration])
found["taken back"] = told(then)
migrate([])
found["again"] = told(today)

# The store goes on: an order of its own, and nothing else is due.
OrderMark.objects.all().delete()
Registration.objects.update(due_at=None)
if not ProductMapping.objects.filter(product_key="course:ETHICS", remote_product_id="ABCD1234").exists():
    ProductMapping.objects.create(product_key="course:ETHICS", remote_product_id="ABCD1234")
with transaction.atomic():
    invoice = Invoice.objects.create(pk=900001, issued=timezone.now())
    Item.objects.create(
        invoice=invoice, course="ETHICS", price="1.00", person_id="M-9", first_name="N", last_name="N", email="n@example.org"
    )
deliver()
found["new"] = list(Registration.objects.filter(order_ref="900001").values_list("status", flat=True))
"""
)


@dataclass(frozen=True)
class Upgrade:
    """The rows of every table at each step, and the statuses of what was sold afterwards."""

    released: dict[str, list[dict[str, Any]]]
    upgraded: dict[str, list[dict[str, Any]]]
    taken_back: dict[str, list[dict[str, Any]]]
    again: dict[str, list[dict[str, Any]]]
    new: list[str]


def upgrade(release: Release, folder: Path, *, settings: str = "") -> Upgrade:
    """Play the upgrade in a database of its own. settings: further settings of that store."""
    release.save(folder).rename(folder / "release.json")
    with FakeElevate() as elevate:
        environment = {"FAKE_ELEVATE_URL": elevate.url}
        # A store whose delivery was held up by whatever the rows say would sell as well, and register nobody.
        found = Host(folder, settings=settings, environment=environment).run(_SCRIPT)
    return Upgrade(**{name.replace(" ", "_"): rows for name, rows in found.items()})


def lost(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Name every value of `before` that is not in `after`. A column that both know must hold the same."""
    missing = []
    for table, rows in before.items():
        kept = {row["id"]: row for row in after.get(table, [])}
        for row in rows:
            now = kept.get(row["id"])
            if now is None:
                missing.append(f"{table} {row['id']}")
                continue
            missing += [
                f"{table} {row['id']}.{name}: {value!r} is {now.get(name)!r}"
                for name, value in row.items()
                if now.get(name) != value
            ]
    return missing
