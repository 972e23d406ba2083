"""A member is renumbered: keys follow without a call, and what Elevate was told is shown to staff."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from elevate_integration import retrying
from elevate_integration.identity import identity_changed
from elevate_integration.models import Registration
from tests.plainshop.models import Item

pytestmark = pytest.mark.django_db(transaction=True)


def renumber(new: str) -> None:
    Item.objects.filter(person_id="M-1").update(person_id=new)


def test_a_renumbered_member_keeps_his_registration_without_a_call(sell, deliver, elevate):
    invoice = sell()
    deliver()
    renumber("M-900")
    change = identity_changed("M-1", "M-900")
    invoice.save()
    deliver()
    row = Registration.objects.get()
    assert (row.status, row.learner_key, row.remote_user_id, row.other_user_id) == (
        "registered",
        "M-900",
        "M-1",
        "M-900",
    )
    assert change.sent == (row.pk,)
    assert len(elevate.calls) == 1


def test_what_was_never_sent_goes_out_under_the_new_id(sell, deliver, elevate):
    sell(email="")
    deliver()
    renumber("M-900")
    change = identity_changed("M-1", "M-900")
    assert len(change.moved) == 1
    assert not change.sent
    Item.objects.update(email="ada@example.org")
    Item.objects.get().save()
    deliver()
    assert [held.remote_user_id for held in elevate.live()] == ["M-900"]


def test_bought_again_after_a_refund_the_new_id_is_sent(sell, deliver, elevate):
    invoice = sell()
    deliver()
    renumber("M-900")
    identity_changed("M-1", "M-900")
    for state in ("refunded", "paid"):
        invoice.state = state
        invoice.save()
        deliver()
    assert [(held.remote_user_id, held.cancelled) for held in elevate.registrations] == [
        ("M-1", True),
        ("M-900", False),
    ]
    assert Registration.objects.get().other_user_id == ""


def test_the_renumbered_member_covers_his_own_second_purchase(sell, deliver, elevate):
    first = sell()
    deliver()
    renumber("M-900")
    identity_changed("M-1", "M-900")
    sell(person_id="M-900")
    # The same e-mail address under another ID: a person looks before Elevate gets a second user.
    deliver()
    first.state = "refunded"
    first.save()
    deliver()
    assert list(Registration.objects.order_by("pk").values_list("status", flat=True)) == ["covered", "held"]


def test_a_seat_that_the_new_id_has_already_is_left(sell, deliver):
    invoice = sell()
    deliver()
    row = Registration.objects.get()
    row.pk, row.learner_key = None, "M-900"
    row.save()
    assert len(identity_changed("M-1", "M-900").left) == 1
    assert Registration.objects.filter(order_ref=str(invoice.pk)).count() == 2


@pytest.mark.parametrize(("old", "new"), [("", "M-1"), ("M-1", "")])
def test_an_empty_id_is_refused(old, new):
    with pytest.raises(ValueError, match="Both user IDs"):
        identity_changed(old, new)


def test_a_change_that_the_database_gave_up_is_made_again(sell, deliver, monkeypatch):
    sell()
    deliver()
    save, failures = Registration.save, []

    def fail_once(self, **options):
        if not failures:
            failures.append(1)
            raise OperationalError("database is locked")
        save(self, **options)

    monkeypatch.setattr(Registration, "save", fail_once)
    monkeypatch.setattr(retrying.time, "sleep", lambda seconds: None)
    assert len(identity_changed("M-1", "M-900").moved) == 1
    assert failures
    assert Registration.objects.get().learner_key == "M-900"
