"""What is forgotten with time: only what is finished, batch by batch, and nothing that a refund needs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.forgetting import ageing, forget_old, prune_attempts
from elevate_integration.forgetting.rows import CALL_OPEN, DUPLICATE
from elevate_integration.lifecycle import AtElevate, Obstacle
from elevate_integration.members.courses import courses_of
from elevate_integration.models import Attempt, OrderMark, Registration, SeatAssignment
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.sync import preview
from tests.forgetting.conftest import EMAIL, MEMBER, age, only, refund, resync, statuses, traces
from tests.plainshop.models import Item
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db(transaction=True)


# Records of calls.


def test_records_of_calls_go_after_their_time_and_not_before(registered):
    registered()
    age(30.5)
    registered()
    assert prune_attempts(30, dry_run=True).calls == 1
    assert Attempt.objects.count() == 2
    assert prune_attempts(30).calls == 1
    assert Attempt.objects.count() == 1
    assert prune_attempts(30).calls == 0


def test_records_of_calls_stay_while_their_registration_is_not_finished(registered, elevate):
    elevate.fail("refuse")
    registered()
    assert statuses() == ["refused"]
    age(400)
    tally = prune_attempts(30)
    assert (tally.calls, dict(tally.left)) == (0, {"registration not finished": 1})
    assert Attempt.objects.count() == 1


def test_records_of_calls_are_deleted_in_batches_and_a_run_that_broke_off_goes_on(registered):
    for _ in range(5):
        registered()
    age(31)

    def break_off(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune_attempts(30, batch=2, progress=break_off)
    assert Attempt.objects.count() == 3
    seen: list[int] = []
    assert prune_attempts(30, batch=2, progress=seen.append).calls == 3
    assert seen == [2, 3]
    assert not Attempt.objects.exists()


# Names and addresses.


def test_names_and_addresses_of_finished_registrations_go_after_their_time(registered):
    registered()
    age(31)
    registered(person_id="M-2", email="other@example.org")
    assert forget_old(30, dry_run=True).registrations == 1
    assert len(traces()) > 5
    assert forget_old(30).registrations == 1
    old, young = Registration.objects.order_by("pk")
    assert (old.firstname, old.lastname, old.email, old.error_messages) == ("", "", "", [])
    assert old.forgotten_at is not None
    assert young.forgotten_at is None
    assert young.firstname
    attempt = Attempt.objects.order_by("pk")[0]
    assert (attempt.sent, attempt.messages, attempt.body, attempt.note) == ({}, [], "", "")
    assert (attempt.outcome, attempt.status_code, attempt.answered_id) == ("done", 200, old.registration_id)
    assert forget_old(30).registrations == 0


def test_only_the_user_id_is_left_of_a_member_who_is_forgotten_with_time(registered):
    registered()
    age(31)
    forget_old(30)
    row = only()
    assert {line.partition(":")[0] for line in traces()} == {
        "Registration.learner_key",
        "Registration.remote_user_id",
    }
    assert row.email_key.startswith("forgotten:")
    assert row.has_email(EMAIL.casefold())
    assert not row.has_email("ada@example.org")


def test_members_still_find_their_courses(registered, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": lambda user: MEMBER}
    member = get_user_model()()
    registered()
    before = courses_of(member)
    age(31)
    forget_old(30)
    after = courses_of(member)
    assert before.courses
    assert after == before


def test_an_order_that_is_read_again_brings_nothing_back(registered, elevate):
    invoice = registered()
    age(31)
    forget_old(30)
    before = Registration.objects.values().get()
    assert not preview([str(invoice.pk)])[0].writes
    resync(invoice)
    assert Registration.objects.values().get() == before
    assert len(elevate.calls) == 1


def test_a_refund_still_cancels_by_the_registration_id(registered, deliver, elevate):
    invoice = registered()
    number = only().registration_id
    age(31)
    forget_old(30)
    refund(invoice, deliver)
    path, sent = elevate.calls[-1]
    assert (path, str(sent["registration_id"])) == ("/registrations/cancel", number)
    assert statuses() == ["cancelled"]
    assert not elevate.live()


def test_a_course_that_is_paid_for_again_is_registered_with_all_its_details(registered, deliver, elevate):
    invoice = registered()
    refund(invoice, deliver)
    age(31)
    forget_old(30)
    assert only().firstname == ""
    Item.objects.update(refunded=False)
    invoice.save()
    deliver()
    assert statuses() == ["registered"]
    assert elevate.calls[-1][1]["firstname"] == "Zebulon"
    assert (only().forgotten_at, only().email) == (None, EMAIL)


def test_what_staff_want_again_is_held_until_the_order_was_read(registered, deliver, elevate, plainshop):
    invoice = registered()
    staff.cancel([only().pk], actor="bea")
    deliver()
    age(31)
    forget_old(30)
    resync(invoice)
    assert only().firstname == ""
    staff.register_again([only().pk], actor="bea")
    row = only()
    assert (row.status, row.problems, row.due_at) == ("held", "forgotten", None)
    plainshop.broken = LookupError("the store is away")
    deliver()
    assert len(elevate.calls) == 2, "nothing empty is sent"
    plainshop.broken = None
    OrderMark.objects.update(due_at=timezone.now() - timedelta(days=1))
    deliver()
    assert statuses() == ["registered"]
    assert elevate.calls[-1][1]["email"] == EMAIL


def test_a_seat_that_is_paid_for_again_while_its_cancel_is_open_is_not_registered_without_names(
    registered, deliver, elevate
):
    invoice = registered()
    age(31)
    forget_old(30)

    def pay_again(path, fields):
        elevate.on_call = None
        Item.objects.update(refunded=False)
        invoice.save()
        resync(invoice)
        # It is a thread of the fake Elevate's that came here.
        connections.close_all()

    elevate.on_call = pay_again
    refund(invoice, deliver)
    resync(invoice)
    deliver()
    assert statuses() == ["registered"]
    registers = [sent for path, sent in elevate.calls if path == "/api/registrations"]
    assert [sent["firstname"] for sent in registers] == ["Zebulon", "Zebulon"]


def test_what_is_wanted_again_while_its_cancel_is_open_is_held_and_says_why(
    registered, deliver, elevate, plainshop
):
    registered()
    age(31)
    forget_old(30)

    def want_again(path, fields):
        Registration.objects.update(wanted=True)
        connections.close_all()

    elevate.on_call = want_again
    plainshop.broken = LookupError("the store is away")
    staff.cancel([only().pk], actor="bea")
    deliver()
    row = only()
    assert (row.status, row.problems, row.due_at) == ("held", "forgotten", None)
    assert len(elevate.calls) == 2
    plainshop.broken, elevate.on_call = None, None
    OrderMark.objects.update(due_at=timezone.now() - timedelta(days=1))
    deliver()
    assert statuses() == ["registered"]
    assert elevate.calls[-1][1]["firstname"] == "Zebulon"


def test_another_learner_on_a_forgotten_seat_is_registered_and_the_one_before_cancelled(
    registered, deliver, elevate
):
    invoice = registered()
    age(31)
    forget_old(30)
    Item.objects.update(person_id="M-2", first_name="Ada", last_name="Sample", email="ada@example.org")
    invoice.save()
    deliver()
    deliver()
    assert [held.remote_user_id for held in elevate.live()] == ["M-2"]


def test_the_same_address_under_a_new_id_is_known_although_it_was_forgotten(registered, deliver, elevate):
    invoice = registered()
    age(31)
    forget_old(30)
    Item.objects.update(person_id="M-900")
    invoice.save()
    deliver()
    assert statuses() == ["registered"]
    assert only().other_user_id == "M-900"
    registered(person_id="M-901")
    assert statuses() == ["registered", "held"]
    assert len(elevate.calls) == 1


def test_staff_find_a_forgotten_registration_by_its_whole_address(registered):
    registered()
    age(31)
    forget_old(30)
    assert staff.find(EMAIL.upper()) == [only().pk]
    assert staff.find(MEMBER) == [only().pk]
    assert staff.find("Quint") == []


UNFINISHED = [
    ({}, "pending"),
    ({"obstacle": Obstacle.INCOMPLETE}, "held"),
    ({"obstacle": Obstacle.REFUSED}, "refused"),
    ({"at_elevate": AtElevate.MAYBE}, "unconfirmed"),
    ({"at_elevate": AtElevate.PRESENT, "wanted": False}, "cancelling"),
    ({"at_elevate": AtElevate.PRESENT, "wanted": False, "obstacle": Obstacle.PARKED}, "cancelling"),
    (
        {"at_elevate": AtElevate.PRESENT, "wanted": False, "obstacle": Obstacle.CANCEL_REFUSED},
        "cancel_refused",
    ),
    ({"at_elevate": AtElevate.PRESENT, "duplicate_ids": "7"}, DUPLICATE),
    ({"at_elevate": AtElevate.PRESENT, "due_at": timezone.now()}, CALL_OPEN),
]


@pytest.mark.parametrize(("fields", "reason"), UNFINISHED)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_not_finished_is_passed_over_and_said(fields, reason, dry_run):
    mapping = make_mapping()
    make_row(mapping, **fields)
    make_row(mapping, at_elevate=AtElevate.PRESENT)
    age(400)
    tally = forget_old(30, dry_run=dry_run)
    assert (tally.registrations, dict(tally.left)) == (1, {reason: 1})
    assert Registration.objects.exclude(firstname="").count() == (2 if dry_run else 1)


FINISHED = [
    {"at_elevate": AtElevate.PRESENT},
    {"at_elevate": AtElevate.PRESENT, "wanted": False, "obstacle": Obstacle.COVERED},
    {"wanted": False},
    {"wanted": False, "registered_at": timezone.now()},
]


@pytest.mark.parametrize("fields", FINISHED)
def test_every_finished_status_is_forgotten_and_keeps_its_status(fields):
    row = make_row(make_mapping(), **fields)
    age(400)
    assert forget_old(30).registrations == 1
    after = only()
    assert (after.status, after.registration_id, after.site) == (row.status, row.registration_id, row.site)


def test_a_learner_who_never_had_an_id_is_kept_as_a_stand_in(transactional_db, sell, deliver):
    invoice = sell(person_id="", first_name="Zebulon", last_name="Quint", email=EMAIL)
    deliver()
    refund(invoice, deliver)
    assert statuses() == ["withdrawn"]
    age(31)
    assert forget_old(30).registrations == 1
    assert traces() == []
    resync(invoice)
    assert traces() == []
    assert only().is_of(f"email:{EMAIL.casefold()}")


def test_registrations_are_forgotten_in_batches_and_a_run_that_broke_off_goes_on():
    mapping = make_mapping()
    for _ in range(5):
        make_row(mapping, at_elevate=AtElevate.PRESENT)
    age(400)

    def break_off(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forget_old(30, batch=2, progress=break_off)
    assert Registration.objects.exclude(forgotten_at=None).count() == 2
    seen: list[int] = []
    assert forget_old(30, batch=2, progress=seen.append).registrations == 3
    assert seen == [2, 3]
    assert not Registration.objects.exclude(firstname="").exists()


def test_what_changes_while_it_is_forgotten_is_left_for_another_day(monkeypatch):
    mapping = make_mapping()
    refunded = make_row(mapping, at_elevate=AtElevate.PRESENT)
    make_row(mapping, at_elevate=AtElevate.PRESENT)
    age(400)
    found = ageing._batches

    def with_a_refund(rows, size):
        for pks in found(rows, size):
            Registration.objects.filter(pk=refunded.pk).update(status="cancelling", wanted=False)
            yield pks

    monkeypatch.setattr(ageing, "_batches", with_a_refund)
    assert forget_old(30).registrations == 1
    refunded.refresh_from_db()
    assert refunded.firstname == "Ada"


# What hangs on registrations.


def name_seat(row: Registration, **fields: str) -> SeatAssignment:
    typed = {"first_name": "Zebulon", "last_name": "Quint", "email": EMAIL, **fields}
    return SeatAssignment.objects.create(order_ref=row.order_ref, seat_key=row.seat_key, **typed)


def test_names_typed_for_a_seat_go_with_all_its_registrations():
    mapping = make_mapping()
    finished = make_row(mapping, at_elevate=AtElevate.PRESENT)
    shared = make_row(mapping, at_elevate=AtElevate.PRESENT)
    make_row(make_mapping(remote_product_id="LAW5678"), order_ref=shared.order_ref, seat_key=shared.seat_key)
    gone, needed = name_seat(finished), name_seat(shared)
    age(400)
    assert forget_old(30, dry_run=True).seats == 1
    assert forget_old(30).seats == 1
    assert list(SeatAssignment.objects.values_list("pk", flat=True)) == [needed.pk]
    assert gone.pk != needed.pk


def test_names_typed_lately_stay_although_the_registration_was_forgotten():
    row = make_row(make_mapping(), at_elevate=AtElevate.PRESENT)
    age(400)
    name_seat(row)
    assert forget_old(30).seats == 0
    assert SeatAssignment.objects.exists()


def test_differences_with_the_report_say_nothing_of_people_once_they_are_decided():
    seen = timezone.now() - timedelta(days=31)
    day = ReconciledDay.objects.create(site="s", day=seen.date(), state="read", read_at=seen)

    def difference(subject: str, **fields: object) -> Discrepancy:
        given = {
            "first_seen_at": seen,
            "last_seen_at": seen,
            "email": EMAIL,
            "remote_user_id": MEMBER,
            **fields,
        }
        return Discrepancy.objects.create(
            day=day, kind="only_there", subject=subject, note="Mr Quint", **given
        )

    waiting = difference("1")
    difference("2", decision="expected")
    difference("3", closed_at=seen)
    young = difference("4", decision="mended", last_seen_at=timezone.now())
    assert forget_old(30, dry_run=True).differences == 2
    assert forget_old(30).differences == 2
    kept = Discrepancy.objects.exclude(email="").exclude(remote_user_id="").exclude(note="")
    assert set(kept.values_list("pk", flat=True)) == {waiting.pk, young.pk}
