"""What follows after a member was erased: nothing is registered again, cancelled by mistake, or written back."""

from __future__ import annotations

from typing import Any

import pytest

from elevate_integration import staff
from elevate_integration.forgetting import erase
from elevate_integration.identity import identity_changed
from elevate_integration.models import Registration, SeatAssignment
from elevate_integration.orders.source import Learner
from elevate_integration.resync import run
from elevate_integration.seats import Name, name_seats
from elevate_integration.sync import preview
from tests.forgetting.conftest import EMAIL, MEMBER, PERSON, only, refund, resync, statuses, traces
from tests.plainshop.models import Invoice, Item
from tests.plainshop.seats import GroupSource

pytestmark = pytest.mark.django_db(transaction=True)


def rows() -> list[dict[str, Any]]:
    return list(Registration.objects.order_by("pk").values())


def read_twice(invoice: Invoice, deliver: Any) -> None:
    """Read the order as its signals, the sweep and staff would."""
    invoice.save()
    deliver()
    resync(invoice)
    deliver()


@pytest.fixture
def erased(registered):
    """The member bought a course, was registered, and was erased; gives the invoice."""
    invoice = registered()
    assert erase(member=MEMBER).registrations == 1
    return invoice


def test_an_order_that_is_read_again_changes_nothing(erased, deliver, elevate):
    before = rows()
    assert not preview([str(erased.pk)])[0].writes
    read_twice(erased, deliver)
    assert rows() == before
    assert traces() == []
    assert len(elevate.calls) == 1


# What a store may do with an account: as `Item` fields.
MADE_ANONYMOUS = {
    "names and address": {"first_name": "Deleted", "last_name": "Member", "email": "deleted-17@example.org"},
    "address": {"email": ""},
    "the ID too": {"person_id": "deleted-17", "first_name": "", "last_name": "", "email": "x@example.org"},
    "all but the address": {"person_id": "deleted-17"},
    "no ID": {"person_id": "", "email": "deleted-17@example.org"},
    "the account is gone": {"person_id": "", "first_name": "", "last_name": "", "email": ""},
}


@pytest.mark.parametrize("fields", MADE_ANONYMOUS.values(), ids=MADE_ANONYMOUS)
def test_an_account_that_is_made_anonymous_is_neither_registered_nor_cancelled(
    erased, deliver, elevate, fields
):
    Item.objects.update(**fields)
    read_twice(erased, deliver)
    read_twice(erased, deliver)
    assert statuses() == ["registered"]
    assert len(elevate.calls) == 1
    assert traces("deleted", "x@example.org") == []
    # A person is asked only where it could be somebody else.
    assert bool(only().other_user_id) == bool(
        fields.get("person_id", MEMBER) != MEMBER and any(fields.values())
    )


@pytest.mark.parametrize("fields", [{}, *MADE_ANONYMOUS.values()], ids=["as it was", *MADE_ANONYMOUS])
def test_a_refund_still_cancels_by_the_registration_id(erased, deliver, elevate, fields):
    number = only().registration_id
    Item.objects.update(**fields)
    refund(erased, deliver)
    path, sent = elevate.calls[-1]
    assert (path, str(sent["registration_id"])) == ("/registrations/cancel", number)
    assert statuses() == ["cancelled"]
    assert traces() == []


def test_an_order_that_is_deleted_is_cancelled_as_any_other(erased, deliver, elevate):
    erased.delete()
    deliver()
    deliver()
    assert statuses() == ["cancelled"]
    assert elevate.live() == []


def test_lines_that_are_deleted_and_written_anew_change_nothing(erased, deliver, elevate):
    Item.objects.all().delete()
    Item.objects.create(invoice=erased, course="ETHICS", price="120.00", **PERSON)
    read_twice(erased, deliver)
    assert statuses() == ["registered"]
    assert len(elevate.calls) == 1
    assert traces() == []


def test_a_seat_that_is_paid_for_again_is_a_new_sale(erased, deliver, elevate):
    refund(erased, deliver)
    assert traces() == []
    Item.objects.update(refunded=False)
    read_twice(erased, deliver)
    assert statuses() == ["registered"]
    row = only()
    assert (row.learner_key, row.email, row.forgotten_at) == (MEMBER, EMAIL, None)
    assert [held.remote_user_id for held in elevate.live()] == [MEMBER]


def test_a_cancelled_seat_is_not_filled_while_nobody_wants_it(registered, deliver, elevate):
    invoice = registered()
    staff.cancel([only().pk], actor="bea")
    deliver()
    erase(member=MEMBER)
    read_twice(invoice, deliver)
    Item.objects.update(first_name="Deleted")
    read_twice(invoice, deliver)
    assert statuses() == ["cancelled"]
    assert traces("deleted") == []
    assert len(elevate.calls) == 2


def test_somebody_else_on_the_seat_is_registered_once_a_person_says_so(erased, deliver, elevate):
    Item.objects.update(person_id="M-2", first_name="Ada", last_name="Sample", email="ada@example.org")
    read_twice(erased, deliver)
    row = only()
    assert list(Registration.objects.under_another_id()) == [row]
    assert "M-2" not in row.other_user_id
    staff.cancel([row.pk], actor="bea")
    deliver()
    staff.register_again([row.pk], actor="bea")
    assert (only().status, only().problems) == ("held", "forgotten")
    read_twice(erased, deliver)
    assert statuses() == ["registered"]
    assert [held.remote_user_id for held in elevate.live()] == ["M-2"]
    assert (only().other_user_id, only().forgotten_at) == ("", None)


def test_a_seat_that_was_named_here_keeps_its_registration_without_the_name(
    groupshop, sell, deliver, elevate
):
    invoice = sell(person_id="", first_name="", last_name="", email="")
    GroupSource.accounts = {EMAIL.casefold(): Learner(MEMBER, "Zebulon", "Quint", EMAIL)}
    name_seats(str(invoice.pk), {f"item:{Item.objects.get().pk}": Name("Zeb", "Quint", EMAIL)}, by="bea")
    deliver()
    assert statuses() == ["registered"]
    assert erase(member=MEMBER).seats == 1
    assert not SeatAssignment.objects.exists()
    read_twice(invoice, deliver)
    assert statuses() == ["registered"]
    assert len(elevate.calls) == 1
    assert traces() == []
    refund(invoice, deliver)
    assert elevate.live() == []


# Two orders of one product.


@pytest.fixture
def back_again(erased, registered):
    """The erased member comes back and buys the same course; gives both invoices."""
    return erased, registered()


def test_who_comes_back_is_known_by_the_old_registrations_id_alone(back_again):
    old, new = Registration.objects.order_by("pk")
    assert old.pair == new.pair
    assert (old.remote_user_id, old.firstname, old.email, old.email_key) == ("", "", "", "")
    assert old.forgotten_at is not None


@pytest.mark.parametrize("first", [0, 1])
def test_an_old_and_a_new_order_cover_each_other(back_again, deliver, elevate, first):
    refund(back_again[first], deliver)
    assert sorted(statuses()) == ["covered", "registered"]
    assert len(elevate.live()) == 2
    refund(back_again[1 - first], deliver)
    assert statuses() == ["cancelled", "cancelled"]
    assert elevate.live() == []


def test_a_preview_of_the_new_order_writes_nothing(erased, sell):
    invoice = sell(**PERSON)
    before = rows()
    assert preview([str(invoice.pk)])[0].created == 1
    assert rows() == before


def test_another_product_of_who_comes_back_stays_forgotten(erased, registered):
    registered("LAW")
    assert Registration.objects.order_by("pk")[0].erased


def test_another_seat_of_the_same_order_makes_the_member_known_too(erased, deliver):
    Item.objects.create(invoice=erased, course="ETHICS", price="120.00", **PERSON)
    read_twice(erased, deliver)
    assert statuses() == ["registered", "registered"]
    first, second = Registration.objects.order_by("pk")
    assert first.pair == second.pair


def test_orders_of_one_product_that_were_erased_together_cover_each_other(registered, deliver, elevate):
    first, second = registered(), registered()
    assert erase(member=MEMBER).registrations == 2
    refund(first, deliver)
    assert statuses() == ["covered", "registered"]
    refund(second, deliver)
    assert statuses() == ["cancelled", "cancelled"]
    assert traces() == []


def test_who_is_renumbered_after_being_erased_is_still_known(erased, registered, deliver):
    change = identity_changed(MEMBER, "M-900")
    assert (change.moved, change.sent) == ((only().pk,), ())
    assert traces("m-900") == []
    Item.objects.update(person_id="M-900")
    read_twice(erased, deliver)
    assert only().other_user_id == ""
    assert only().erased


# The secret key.


def test_a_former_secret_key_still_finds_who_was_erased(erased, deliver, settings, elevate):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    read_twice(erased, deliver)
    assert (statuses(), only().other_user_id) == (["registered"], "")
    assert erase(member=MEMBER).registrations == 0


def test_a_lost_secret_key_registers_and_cancels_nothing(erased, deliver, settings, elevate):
    settings.SECRET_KEY = "another"
    read_twice(erased, deliver)
    assert statuses() == ["registered"]
    assert only().other_user_id.startswith("forgotten:")
    assert traces() == []
    assert len(elevate.calls) == 1
    refund(erased, deliver)
    assert statuses() == ["cancelled"]


def test_a_resync_of_all_orders_finds_nothing_to_do(erased, elevate):
    totals = run(iter([str(erased.pk)]), max_new=10, max_cancels=10)
    assert (totals.new, totals.cancels, totals.changed) == (0, 0, 0)
