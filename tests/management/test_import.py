"""`elevate_import`: takes over IDs that Elevate gave before we came, and makes no call."""

from __future__ import annotations

import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from elevate_integration.models import Registration
from elevate_integration.sync import sync_order
from tests.plainshop.models import Invoice
from tests.plainshop.source import PlainSource

pytestmark = pytest.mark.django_db(transaction=True)

HEAD = "order_ref,remote_product_id,remote_user_id,registration_id,product_url\n"


@pytest.fixture
def load(tmp_path: Path):
    def run(*lines: str, head: str = HEAD, **options: Any) -> tuple[str, str]:
        path = tmp_path / "existing.csv"
        path.write_text(head + "".join(f"{line}\n" for line in lines), encoding="utf-8-sig")
        out, err = StringIO(), StringIO()
        try:
            call_command("elevate_import", str(path), stdout=out, stderr=err, **options)
        except CommandError as error:
            err.write(str(error))
        return out.getvalue(), err.getvalue()

    return run


@pytest.fixture
def old_order(sell) -> Invoice:
    """An order from before the go-live date."""
    invoice = sell()
    Invoice.objects.filter(pk=invoice.pk).update(issued="2020-01-01T00:00:00Z")
    return invoice


def test_an_imported_registration_is_cancelled_by_its_id_when_refunded(load, old_order, deliver, elevate):
    out, err = load(f"{old_order.pk},ABCD1234,M-1,77,https://demo.example/products/x")
    assert out == "1 imported, 0 known already, 0 left out.\n"
    assert not err
    deliver()
    assert not elevate.calls
    row = Registration.objects.get()
    assert (row.status, row.registration_id, row.product_url) == (
        "registered",
        "77",
        "https://demo.example/products/x",
    )
    old_order.refresh_from_db()
    old_order.state = "refunded"
    old_order.save()
    deliver()
    assert [(path, fields["registration_id"]) for path, fields in elevate.calls] == [
        ("/registrations/cancel", 77)
    ]


def test_the_same_file_again_changes_nothing(load, old_order):
    line = f"{old_order.pk},ABCD1234,M-1,77,"
    load(line)
    out, _ = load(line)
    assert out == "0 imported, 1 known already, 0 left out.\n"
    assert Registration.objects.count() == 1


def test_a_dry_run_writes_nothing(load, old_order):
    out, _ = load(f"{old_order.pk},ABCD1234,M-1,77,", dry_run=True)
    assert out == "1 would be imported, 0 known already, 0 left out.\n"
    assert not Registration.objects.exists()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{pk},ABCD1234,M-1,,", "registration_id is empty"),
        ("999999,ABCD1234,M-1,77,", "no such order"),
        ("{pk},NOPE,M-1,77,", "No product is mapped"),
        ("{pk},ABCD1234,M-9,77,", "no seat of this product for this learner"),
        ("{pk},ABCD1234,M-1," + "7" * 65 + ",", "longer than 64"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_stops_no_other(load, old_order, sell, line, reason):
    good = sell()
    out, err = load(line.format(pk=old_order.pk), f"{good.pk},ABCD1234,M-1,78,")
    assert "line 2" in err
    assert reason in err
    assert out == "1 imported, 0 known already, 1 left out.\n"


def test_a_refunded_seat_is_left_to_staff(load, old_order):
    Invoice.objects.filter(pk=old_order.pk).update(state="refunded")
    _, err = load(f"{old_order.pk},ABCD1234,M-1,77,")
    assert "Cancel it at Elevate by hand" in err


def test_an_id_that_another_order_holds_is_left_out(load, old_order, sell):
    other = sell()
    _, err = load(f"{old_order.pk},ABCD1234,M-1,77,", f"{other.pk},ABCD1234,M-1,77,")
    assert f"Order {old_order.pk} holds this registration ID already" in err


def test_two_seats_of_one_learner_take_two_ids(load, sell):
    invoice = sell("ETHICS", "ETHICS")
    load(f"{invoice.pk},ABCD1234,M-1,77,", f"{invoice.pk},ABCD1234,M-1,78,")
    assert sorted(Registration.objects.values_list("registration_id", flat=True)) == ["77", "78"]


def test_a_file_without_a_needed_column_is_refused(load):
    _, err = load("1,2", head="order_ref,registration_id\n")
    assert "no column remote_product_id, remote_user_id" in err


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("elevate_import", str(tmp_path / "nothing.csv"))


def test_a_seat_that_has_an_id_takes_no_other(load, old_order):
    out, err = load(f"{old_order.pk},ABCD1234,M-1,77,", f"{old_order.pk},ABCD1234,M-1,78,")
    assert out == "1 imported, 0 known already, 1 left out.\n"
    assert "The seat has another registration ID" in err
    assert Registration.objects.get().registration_id == "77"


def test_a_seat_that_is_being_registered_is_left_alone(load, sell):
    invoice = sell()
    sync_order(str(invoice.pk), trigger="staff")
    Registration.objects.update(claim_token=uuid.uuid4())
    out, err = load(f"{invoice.pk},ABCD1234,M-1,77,")
    assert out == "0 imported, 0 known already, 1 left out.\n"
    assert "A call for this seat is open now." in err
    assert Registration.objects.get().registration_id == ""


def test_an_order_that_cannot_be_read_is_told_and_stops_no_other(load, old_order, sell, monkeypatch):
    good, read = sell(), PlainSource.snapshot

    def snapshot(self, order_ref):
        if order_ref == str(old_order.pk):
            raise RuntimeError("the shop is away")
        return read(self, order_ref)

    monkeypatch.setattr(PlainSource, "snapshot", snapshot)
    out, err = load(f"{old_order.pk},ABCD1234,M-1,77,", f"{good.pk},ABCD1234,M-1,78,")
    assert out == "1 imported, 0 known already, 1 left out.\n"
    assert "line 2" in err
    assert "could not be read: RuntimeError: the shop is away" in err
