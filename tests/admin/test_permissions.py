"""Who may do what, as one table: each act with exactly what it needs, and with everything else but that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from elevate_integration.admin.acts import ACTS
from elevate_integration.admin.difference_words import VERDICTS
from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import (
    DeliveryState,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
)
from elevate_integration.reconcile import button
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from tests.admin.test_registrations import FITTING, GIVEN

BASE = "/admin/elevate_integration"
ART = {"product_key": "course:ART", "product_title": "Art", "remote_product_id": "ART1", "active": "on"}
MAPS = frozenset({"map_product"})
CHANGES = MAPS | {"change_productmapping"}
ADDS = MAPS | {"add_productmapping"}


@dataclass(frozen=True)
class Door:
    """One act: where it is posted, and what it needs: of each group of permissions, any.

    data: made from the prepared rows. from_list: Django's own list refuses by doing nothing, and not with 403.
    """

    path: str
    needs: tuple[frozenset[str], ...]
    data: Callable[[Prepared], dict[str, Any]] = field(default=lambda rows: {})
    from_list: bool = False


@dataclass(frozen=True)
class Prepared:
    """The rows that the acts act upon."""

    mapping: ProductMapping
    order: TrackedOrder
    make: Callable[..., Registration]


def needs(*names: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset({name}) for name in names)


def _act(name: str) -> Door:
    return Door(
        f"registration/act/{name}/",
        needs("view_registration", ACTS[name].permission),
        lambda rows: {"pks": rows.make(**FITTING[name]).pk, "confirm": "yes", **GIVEN.get(name, {})},
    )


def _duplicate(rows: Prepared) -> dict[str, Any]:
    row = rows.make(at_elevate=AtElevate.PRESENT, registration_id="501", duplicate_ids="500")
    return {"chosen": f"{row.pk}:500", "confirm": "yes"}


def _refused(rows: Prepared) -> dict[str, Any]:
    rows.make(obstacle="refused")
    return {"mapping": rows.mapping.pk}


def _chosen(action: str) -> Callable[[Prepared], dict[str, Any]]:
    def data(rows: Prepared) -> dict[str, Any]:
        ProductMapping.objects.filter(pk=rows.mapping.pk).update(active=action == "deactivate")
        return {"action": action, "_selected_action": [rows.mapping.pk]}

    return data


def _difference(name: str) -> Callable[[Prepared], dict[str, Any]]:
    def data(rows: Prepared) -> dict[str, Any]:
        now = timezone.now()
        day = ReconciledDay.objects.create(day=date(2025, 3, 1), state="read", read_at=now)
        one = Discrepancy.objects.create(
            day=day,
            kind="twice",
            subject="row:1",
            first_seen_at=now,
            last_seen_at=now,
            decision="mended" if name == "open" else "open",
        )
        return {"pks": one.pk, "confirm": "yes"}

    return data


DOORS = {
    **{name: _act(name) for name in ACTS},
    "cancel duplicates": Door(
        "registration/duplicates/", needs("view_registration", "cancel_registration"), _duplicate
    ),
    "forget a member": Door(
        "registration/forget/{pk}/",
        needs("view_registration", "forget_member"),
        lambda rows: {"pk": rows.make(at_elevate=AtElevate.PRESENT).pk, "confirm": "yes"},
    ),
    "resync orders": Door(
        "trackedorder/resync/",
        needs("view_trackedorder", "resync_order"),
        lambda rows: {"pks": rows.order.pk, "confirm": "yes"},
    ),
    **{name: Door(f"deliverystate/act/{name}/", needs("pause_delivery")) for name in ("pause", "resume", "clear_alarm")},
    **{
        f"decide: {name}": Door(
            f"unmappedsale/decide/{name}/", (MAPS,), lambda rows: {"product_key": "mug", "confirm": "yes"}
        )
        for name in ("not_for_elevate", "leave")
    },
    "decide: apply": Door(
        "unmappedsale/decide/apply/", (MAPS,), lambda rows: {"product_key": "course:ETHICS", "confirm": "yes"}
    ),
    "compare a day": Door(
        "reconciledday/compare/", needs("compare_day"), lambda rows: {"day": "2025-03-01", "confirm": "yes"}
    ),
    "begin the proof anew": Door(
        "reconciledday/anew/",
        (frozenset({"view_reconciledday", "compare_day"}), frozenset({"decide_discrepancy"})),
        lambda rows: {"confirm": "yes"},
    ),
    **{
        f"decide: {name}": Door(f"discrepancy/decide/{name}/", needs("decide_discrepancy"), _difference(name))
        for name in VERDICTS
    },
    "add a mapping": Door("productmapping/add/", (ADDS,), lambda rows: ART),
    "change a mapping": Door("productmapping/{mapping}/change/", (CHANGES,), lambda rows: ART),
    "check addresses": Door("productmapping/check/", (CHANGES,)),
    "retry a mapping's": Door("productmapping/retry/", (CHANGES,), _refused),
    "activate": Door("productmapping/", (CHANGES,), _chosen("activate"), from_list=True),
    "deactivate": Door("productmapping/", (CHANGES,), _chosen("deactivate"), from_list=True),
}  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day is compared in a thread, which these tests do not wait for."""
    monkeypatch.setattr(button, "start_day", lambda day: True)


@pytest.fixture
def rows(mapping: ProductMapping, row: Callable[..., Registration]) -> Prepared:
    """An open sale of a mapped and of an unmapped product, an order, and an alarm on a paused delivery."""
    for number, key in enumerate(("mug", "course:ETHICS")):
        UnmappedSale.objects.create(
            order_ref="1", seat_key=str(number), product_keys=UnmappedSale.pack([key])
        )
    DeliveryState.objects.create(pk=1, heartbeat_at=timezone.now(), alarm="Look.")
    return Prepared(mapping, TrackedOrder.objects.create(order_ref="1"), row)


def post(client: Client, door: Door, rows: Prepared) -> Any:
    data = door.data(rows)
    return client.post(f"{BASE}/{door.path.format(**{**data, 'mapping': rows.mapping.pk})}", data)


def others(*without: str) -> list[str]:
    ours = Permission.objects.filter(content_type__app_label="elevate_integration")
    return list(ours.exclude(codename__in=without).values_list("codename", flat=True))


CASES = [
    (name, place, one)
    for name, door in DOORS.items()
    for place, group in enumerate(door.needs)
    for one in sorted(group)
]


@pytest.mark.parametrize(("name", "place", "one"), CASES)
def test_what_an_act_needs_is_enough(
    staff_client: Callable[..., Client], rows: Prepared, name: str, place: int, one: str
) -> None:
    door = DOORS[name]
    held = [one if number == place else min(group) for number, group in enumerate(door.needs)]
    # Django's own lists ask for the permission to look besides.
    client = staff_client(*held, *(["view_productmapping"] if one.endswith("_productmapping") else []))
    response = post(client, door, rows)
    assert response.status_code == (200 if name == "export" else 302)
    assert LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, door in DOORS.items() for place in range(len(door.needs))]
)
def test_every_other_permission_together_is_not_enough(
    staff_client: Callable[..., Client], rows: Prepared, name: str, place: int
) -> None:
    door = DOORS[name]
    client = staff_client(*others(*door.needs[place]))
    response = post(client, door, rows)
    assert door.from_list or response.status_code == 403
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("without", [ADDS, CHANGES])
def test_an_import_needs_both_to_add_and_to_change(
    staff_client: Callable[..., Client], without: frozenset[str]
) -> None:
    pytest.importorskip("import_export")
    client = staff_client(*others(*without))
    data = {"import_file": SimpleUploadedFile("m.csv", b"product_key,remote_product_id\n"), "format": "0"}
    assert client.post(f"{BASE}/productmapping/import/", data).status_code == 403
    assert client.post(f"{BASE}/productmapping/process_import/", {}).status_code == 403


@pytest.mark.parametrize("page", ["", "sheet/", "export/"])
def test_pages_that_only_show_mappings_need_the_permission_to_look(
    staff_client: Callable[..., Client], mapping: ProductMapping, page: str
) -> None:
    client = staff_client(*others("view_productmapping", *CHANGES))
    assert client.get(f"{BASE}/productmapping/{page}").status_code == 403
