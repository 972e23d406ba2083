"""Rows of every table as the version at hand writes them: a shop at work, and a row for each table it left empty."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from elevate_integration import __version__
from elevate_integration.testing import FakeElevate
from tests.host import SHOP, Host
from tests.released import Release, digests

# Registered, cancelled, refused, held, lost on the way, not sent yet; a sale that nobody mapped, a mark nobody read.
_WORK = (
    SHOP
    + """
import os
from tests.released.tables import dump, fill_empty
import requests
from elevate_integration.sync import sync_order

ProductMapping.objects.create(product_key="course:GONE", remote_product_id="NOT-THERE")
with transaction.atomic():
    sell()
    sell(person_id="M-2", first_name="Zoë", last_name="O'Neill", email="zoe@example.org")
    sell(person_id="", email="")
    Item.objects.filter(invoice=sell(person_id="M-3", email="bob@example.org")).update(course="GONE")
    Item.objects.filter(invoice=sell(person_id="M-4", email="cid@example.org")).update(course="NOBODY-MAPPED-THIS")
deliver()
refunded = Item.objects.filter(person_id="M-2")
refunded.update(refunded=True)
for item in refunded:
    item.save()
deliver()
deliver()
requests.post(
    os.environ["FAKE_ELEVATE_URL"] + "/_fake/faults", json={"fault": "reset_after_storing", "times": 1}, timeout=10
).raise_for_status()
sell(person_id="M-5", email="dan@example.org")
deliver()
sync_order(str(sell(person_id="M-6", email="eve@example.org").pk))
sell(person_id="M-7", email="fay@example.org")
fill_empty()
found["rows"] = dump()
found["statuses"] = sorted(Registration.objects.values_list("status", flat=True))
from django.db.migrations.loader import MigrationLoader
found["migration"] = MigrationLoader(None).graph.leaf_nodes("elevate_integration")[0][1]
"""
)


def at_hand(folder: Path | None = None) -> tuple[Release, list[str]]:
    """Make the rows of this version in a database of their own; give them, and the statuses among them."""
    with tempfile.TemporaryDirectory() as made, FakeElevate() as elevate:
        environment = {"FAKE_ELEVATE_URL": elevate.url, "TEST_DATABASE_URL": ""}
        found = Host(folder or Path(made), environment=environment).run(_WORK)
    rows: dict[str, list[dict[str, Any]]] = json.loads(found["rows"])
    return Release(__version__, found["migration"], digests(), rows), found["statuses"]
