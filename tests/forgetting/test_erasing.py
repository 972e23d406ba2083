"""One member forgotten on request: who is meant, what goes, and what is passed over."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.utils import timezone

from elevate_integration.forgetting import SeveralMembers, erase, erasing, forget_old
from elevate_integration.forgetting.rows import DUPLICATE, LINKED
from elevate_integration.identity import identity_changed
from elevate_integration.lifecycle import AtElevate, Obstacle
from elevate_integration.models import Attempt, DeliveryState, Registration, SeatAssignment, TrackedOrder
from elevate_integration.orders.source import Learner
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.seats import Name, name_seats
from tests.forgetting.conftest import EMAIL, MEMBER, PERSON, age, only, statuses, traces
from tests.plainshop.models import Item
from tests.plainshop.seats import GroupSource
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def full_house(registered, sell, deliver, elevate, groupshop):
    """Every table of ours says something of the member; gives his invoice."""
    invoice = registered("ETHICS", "LAW")
    elevate.fail("refuse", field="email", message=f"{EMAIL} is taken.")
    refused = registered("ETHICS")
    Item.objects.filter(invoice=refused).update(refunded=True)
    refused.save()
    deliver()
    Item.objects.create(invoice=invoice, course="ETHICS", price="120.00")
    seat = f"item:{Item.objects.latest('pk').pk}"
    GroupSource.accounts = {EMAIL.casefold(): Learner(MEMBER, "Zebulon", "Quint", EMAIL)}
    name_seats(str(invoice.pk), {seat: Name("Zebulon", "Quint", EMAIL)}, by=EMAIL.casefold())
    deliver()
    GroupSource.accounts = {}
    day = ReconciledDay.objects.create(site="s", day=timezone.now(), state="read", read_at=timezone.now())
    seen = {"first_seen_at": timezone.now(), "last_seen_at": timezone.now()}
    Discrepancy.objects.create(
        day=day, kind="only_there", subject="a", email=EMAIL, remote_user_id=MEMBER, note="Mr Quint", **seen
    )
    row = Registration.objects.all()[0]
    Discrepancy.objects.create(day=day, kind="amount", subject="b", registration=row, note="Mr Quint", **seen)
    TrackedOrder.objects.filter(order_ref=row.order_ref).update(last_error=f"LookupError: no {EMAIL}")
    DeliveryState.objects.update_or_create(pk=1, defaults={"gate": "key", "gate_message": f"No {EMAIL}."})
    return invoice


def test_no_table_says_a_word_of_a_member_who_was_erased(full_house):
    assert {line.partition(":")[0] for line in traces()} >= {
        "Registration.firstname",
        "Registration.learner_key",
        "Attempt.sent",
        "Attempt.body",
        "SeatAssignment.email",
        "SeatAssignment.entered_by",
        "Discrepancy.email",
        "Discrepancy.note",
        "TrackedOrder.last_error",
        "DeliveryState.gate_message",
    }
    before = list(Registration.objects.order_by("pk").values_list("status", "registration_id", "amount_paid"))
    calls = Attempt.objects.count()
    tally = erase(member=MEMBER)
    assert traces() == []
    assert (tally.registrations, tally.seats, tally.differences, tally.passed_over) == (4, 1, 2, 0)
    assert before == list(
        Registration.objects.order_by("pk").values_list("status", "registration_id", "amount_paid")
    )
    assert Attempt.objects.count() == calls
    assert TrackedOrder.objects.get(order_ref=str(full_house.pk)).last_error == "LookupError"


def test_a_dry_run_counts_the_same_and_forgets_nothing(full_house):
    before = traces()
    told = erase(member=MEMBER, dry_run=True)
    assert traces() == before
    assert erase(member=MEMBER) == told


def test_erasing_twice_finds_nothing_more(full_house):
    erase(member=MEMBER)
    forgotten = list(Registration.objects.order_by("pk").values())
    tally = erase(member=MEMBER)
    assert (tally.registrations, tally.seats, tally.differences, tally.passed_over) == (0, 0, 0, 0)
    assert forgotten == list(Registration.objects.order_by("pk").values())


def test_others_are_left_as_they_were(registered):
    registered(person_id="M-2", first_name="Ada", last_name="Sample", email="ada@example.org")
    ada = Registration.objects.values().get()
    registered()
    erase(member=MEMBER)
    assert Registration.objects.values().get(pk=ada["id"]) == ada
    assert Attempt.objects.get(registration_id=ada["id"]).sent["firstname"] == "Ada"


def test_the_log_names_nobody(registered, caplog):
    registered()
    caplog.set_level("DEBUG", logger="elevate_integration")
    caplog.clear()
    erase(member=MEMBER, email=EMAIL)
    assert [record.getMessage() for record in caplog.records] == [
        "A member was forgotten: 1 registrations, 0 passed over."
    ]


# Who is meant.


@pytest.mark.parametrize("address", [EMAIL, EMAIL.upper(), f" {EMAIL} "])
def test_a_member_is_found_by_the_address_also_under_other_ones(registered, address):
    registered()
    registered("LAW", email="zq@example.org")
    assert erase(email=address).registrations == 2
    assert traces() == []


def test_a_member_is_found_by_an_address_that_was_forgotten_with_time(registered):
    registered()
    age(31)
    forget_old(30)
    assert erase(email=EMAIL).registrations == 1
    assert traces() == []


def test_an_address_of_several_members_is_refused_with_their_ids(registered, sell, deliver):
    registered()
    make_row(
        Registration.objects.get().mapping,
        learner_key="M-2",
        remote_user_id="M-2",
        email=EMAIL,
        email_key=EMAIL.casefold(),
        at_elevate=AtElevate.PRESENT,
    )
    for asked in ({"email": EMAIL}, {"member": "M-2", "email": EMAIL}):
        with pytest.raises(SeveralMembers) as error:
            erase(**asked)
        assert error.value.ids == ("M-2", MEMBER) or error.value.ids == (MEMBER, "M-2")
    SeatAssignment.objects.create(order_ref="1", seat_key="1", email=EMAIL)
    assert erase(member="M-2").registrations == 1
    assert Registration.objects.get(remote_user_id=MEMBER).email == EMAIL
    assert SeatAssignment.objects.exists(), "who is meant by it is not known"


@pytest.mark.parametrize("asked", [{}, {"member": " "}, {"email": " ", "member": ""}])
def test_nobody_is_not_forgotten(registered, asked):
    registered()
    with pytest.raises(ValueError, match="needed"):
        erase(**asked)
    assert traces()


def test_who_is_not_known_leaves_everything_as_it_was(registered):
    registered()
    before = traces()
    for asked in ({"member": "M-9"}, {"email": "nobody@example.org"}, {"member": "forgotten:"}):
        assert erase(**asked).registrations == 0
    assert traces() == before


@pytest.mark.parametrize("asked", [MEMBER, "M-900"])
def test_a_member_who_was_renumbered_is_forgotten_by_either_id(registered, asked):
    registered()
    identity_changed(MEMBER, "M-900")
    registered("LAW", person_id="M-900", email="zq@example.org")
    assert erase(member=asked).registrations == 2
    assert traces("m-900") == []


def test_a_seat_without_an_account_goes_with_the_member_of_the_same_address(registered, sell, deliver):
    registered()
    invoice = sell("LAW", **{**PERSON, "person_id": ""})
    deliver()
    assert statuses() == ["registered", "held"]
    tally = erase(member=MEMBER)
    assert (tally.registrations, dict(tally.left)) == (1, {"held": 1})
    Item.objects.filter(invoice=invoice).update(refunded=True)
    invoice.save()
    deliver()
    # Of the member nothing is left by which the address would be known.
    assert erase(member=MEMBER).registrations == 0
    assert erase(member=MEMBER, email=EMAIL).registrations == 1
    assert traces() == []


def test_a_second_registration_at_elevate_that_was_cancelled_goes_with_its_member():
    mapping = make_mapping()
    seat = make_row(mapping, learner_key=MEMBER, remote_user_id=MEMBER, at_elevate=AtElevate.PRESENT)
    double = make_row(
        mapping,
        order_ref=seat.order_ref,
        seat_key="duplicate:7",
        learner_key="duplicate:7",
        remote_user_id=MEMBER,
        lastname="Quint",
        wanted=False,
        registered_at=timezone.now(),
    )
    assert erase(member=MEMBER).registrations == 2
    double.refresh_from_db()
    assert (double.learner_key, double.erased, double.status) == ("duplicate:7", False, "cancelled")
    assert traces() == []


def test_who_took_the_same_seat_again_after_being_erased_is_erased_again():
    seat = {
        "order_ref": "4711",
        "learner_key": MEMBER,
        "remote_user_id": MEMBER,
        "at_elevate": AtElevate.PRESENT,
    }
    mapping = make_mapping()
    make_row(mapping, **seat)
    erase(member=MEMBER)
    make_row(mapping, **seat)
    assert erase(member=MEMBER).registrations == 1
    assert traces() == []
    first, second = Registration.objects.order_by("pk")
    assert second.learner_key == f"{first.learner_key}:{second.pk}"
    assert second.erased


def test_the_id_goes_where_it_stands_as_another_members_new_one():
    row = make_row(make_mapping(), at_elevate=AtElevate.PRESENT, other_user_id=MEMBER)
    assert erase(member=MEMBER).registrations == 0
    row.refresh_from_db()
    assert (row.other_user_id, row.firstname) == ("", "Ada")


# What is passed over.

OPEN = [
    ({}, "pending"),
    ({"obstacle": Obstacle.INCOMPLETE}, "held"),
    ({"at_elevate": AtElevate.MAYBE}, "unconfirmed"),
    ({"at_elevate": AtElevate.PRESENT, "wanted": False}, "cancelling"),
    ({"obstacle": Obstacle.REFUSED}, "refused"),
    ({"at_elevate": AtElevate.PRESENT, "duplicate_ids": ["500"]}, DUPLICATE),
]


@pytest.mark.parametrize(("fields", "reason"), OPEN)
def test_what_is_not_finished_is_passed_over_with_others_of_the_product(fields, reason):
    ethics, law = make_mapping(), make_mapping(product_key="course:LAW", remote_product_id="LAW5678")
    who = {"learner_key": MEMBER, "remote_user_id": MEMBER}
    make_row(ethics, **who, **fields)
    linked = make_row(ethics, **who, at_elevate=AtElevate.PRESENT)
    free = make_row(law, **who, at_elevate=AtElevate.PRESENT)
    tally = erase(member=MEMBER)
    assert (tally.registrations, dict(tally.left)) == (1, {reason: 1, LINKED: 1})
    linked.refresh_from_db()
    free.refresh_from_db()
    assert (linked.firstname, free.firstname) == ("Ada", "")
    Registration.objects.exclude(pk__in=[linked.pk, free.pk]).delete()
    assert erase(member=MEMBER).registrations == 1
    assert traces() == []


def test_names_typed_for_a_seat_that_still_needs_them_stay(groupshop, sell, deliver):
    invoice = sell(person_id="", first_name="", last_name="", email="")
    seat = f"item:{Item.objects.get().pk}"
    name_seats(str(invoice.pk), {seat: Name("Zebulon", "Quint", EMAIL)}, by="")
    deliver()
    assert statuses() == ["held"]
    assert erase(email=EMAIL).seats == 0
    Item.objects.update(refunded=True)
    invoice.save()
    deliver()
    assert erase(email=EMAIL).seats == 1
    assert traces() == []


def test_the_name_of_who_has_the_seat_now_stays(registered):
    registered()
    seat = only()
    make_row(
        seat.mapping,
        order_ref=seat.order_ref,
        seat_key=seat.seat_key,
        at_elevate=AtElevate.PRESENT,
        lastname="New",
    )
    SeatAssignment.objects.create(order_ref=seat.order_ref, seat_key=seat.seat_key, email="new@example.org")
    tally = erase(member=MEMBER)
    assert (tally.registrations, tally.seats) == (1, 0)
    assert SeatAssignment.objects.get().email == "new@example.org"


def test_a_registration_made_while_the_locks_were_waited_for_is_seen(registered, monkeypatch):
    registered()
    found = erasing._who

    def and_meanwhile(*args):
        who = found(*args)
        make_row(only().mapping, learner_key=MEMBER, remote_user_id=MEMBER)
        return who

    monkeypatch.setattr(erasing, "_who", and_meanwhile)
    assert dict(erase(member=MEMBER).left) == {"pending": 1, LINKED: 1}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="one writes at a time, and no row is locked")
def test_a_registration_that_was_committed_while_the_locks_were_waited_for_is_seen(registered):
    registered()
    mapping, waited = only().mapping, []

    def commit_after_the_wait(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if "FOR UPDATE" in sql and not waited:
            waited.append(sql)
            make_row(mapping, learner_key=MEMBER, remote_user_id=MEMBER)
        return found

    with connection.execute_wrapper(commit_after_the_wait):
        assert dict(erase(member=MEMBER).left) == {"pending": 1, LINKED: 1}
    assert waited


def test_the_history_in_the_admin_never_named_anybody(registered, admin_user):
    registered()
    LogEntry.objects.log_actions(admin_user.pk, [only()], 2, change_message="Retry.", single_object=False)
    erase(member=MEMBER)
    assert LogEntry.objects.get().object_repr == str(only())
    assert traces() == []
