"""What staff decide: each act on each state, what is left alone and why, and what the next call is."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from elevate_integration import lifecycle, signals, staff, wake
from elevate_integration.lifecycle import AtElevate, Obstacle, Operation, Status
from elevate_integration.models import DeliveryState, OrderMark, ProductMapping, Registration, UnmappedSale
from elevate_integration.staff.rows import CALL_OPEN
from elevate_integration.sync import sync_order
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db

ABSENT, MAYBE, PRESENT, LEAVING = AtElevate.ABSENT, AtElevate.MAYBE, AtElevate.PRESENT, AtElevate.LEAVING


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "URL": "https://elevate.example"}


@pytest.fixture
def mapping() -> ProductMapping:
    return make_mapping()


@pytest.fixture
def woken() -> Any:
    calls: list[int] = []
    before = wake._wake
    wake.set_wake(lambda _: calls.append(1))
    yield calls
    wake.set_wake(before)


def test_retry_makes_a_refused_registration_due_and_wakes_delivery(
    mapping: ProductMapping, woken: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    row = make_row(mapping, obstacle=Obstacle.REFUSED, failures=7)
    with django_capture_on_commit_callbacks(execute=True):
        acted = staff.retry([row.pk], actor="ann")
    row.refresh_from_db()
    assert (acted.done, acted.left) == ([row.pk], [])
    assert (row.status, row.failures, row.trigger, row.actor) == (Status.PENDING, 0, "staff", "ann")
    assert row.due_at is not None
    assert row.state.next_operation is Operation.REGISTER
    assert woken == [1]


@pytest.mark.parametrize(
    ("fields", "operation"),
    [
        ({"at_elevate": MAYBE, "obstacle": Obstacle.DOUBT, "doubts": 2}, Operation.REGISTER),
        ({"at_elevate": MAYBE, "obstacle": Obstacle.REFUSED}, Operation.REGISTER),
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.CANCEL_REFUSED}, Operation.CANCEL),
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.PARKED}, Operation.CANCEL),
        ({"at_elevate": LEAVING, "wanted": True, "obstacle": Obstacle.PARKED}, Operation.CANCEL),
    ],
)
def test_retry_clears_what_a_person_may_decide(
    mapping: ProductMapping, fields: dict[str, Any], operation: Operation
) -> None:
    row = make_row(mapping, **fields)
    assert staff.retry([row.pk], actor="ann").done == [row.pk]
    row.refresh_from_db()
    assert row.state.next_operation is operation
    assert row.due_at is not None
    assert row.brake_released is (fields["obstacle"] == Obstacle.PARKED)


def test_retry_counts_a_held_identity_as_checked(mapping: ProductMapping) -> None:
    row = make_row(mapping, obstacle=Obstacle.IDENTITY, problems="same_email")
    staff.retry([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.identity_checked, row.problems, row.status) == (True, "", Status.PENDING)


def test_retry_makes_a_waiting_row_due_now(mapping: ProductMapping) -> None:
    later = timezone.now() + timedelta(hours=1)
    row = make_row(mapping, due_at=later, failures=9)
    staff.retry([row.pk], actor="ann")
    row.refresh_from_db()
    assert row.due_at is not None
    assert row.due_at < later
    assert row.failures == 0


def test_retry_lets_a_parked_cancel_go_only_for_those_who_may(mapping: ProductMapping) -> None:
    row = make_row(mapping, at_elevate=PRESENT, wanted=False, obstacle=Obstacle.PARKED)
    acted = staff.retry([row.pk], actor="ann", let_go=False)
    assert "brake" in str(acted.left[0][1])
    row.refresh_from_db()
    assert (row.obstacle, row.brake_released, row.due_at) == (Obstacle.PARKED, False, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"obstacle": Obstacle.INCOMPLETE}, "details are missing"),
        ({"at_elevate": PRESENT}, "registered already"),
        ({"at_elevate": MAYBE, "wanted": False, "obstacle": Obstacle.DOUBT}, "no longer wanted"),
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.COVERED}, "covers"),
        ({"at_elevate": PRESENT, "wanted": False}, "second time"),
        ({"wanted": False}, "withdrawn"),
        ({"wanted": False, "registered_at": timezone.now()}, "cancelled"),
        ({"claim_token": uuid.uuid4(), "claimed_for": "register"}, "open"),
    ],
)
def test_retry_leaves_the_rest_with_a_reason(
    mapping: ProductMapping, fields: dict[str, Any], reason: str
) -> None:
    row = make_row(mapping, **fields)
    before = Registration.objects.filter(pk=row.pk).values().get()
    acted = staff.retry([row.pk], actor="ann")
    assert acted.done == []
    assert reason in str(acted.left[0][1])
    assert Registration.objects.filter(pk=row.pk).values().get() == before


def test_an_act_goes_on_past_rows_that_are_left_or_gone(mapping: ProductMapping) -> None:
    fine, left = make_row(mapping, obstacle=Obstacle.REFUSED), make_row(mapping, at_elevate=PRESENT)
    acted = staff.retry([left.pk, 987654, fine.pk, fine.pk], actor="ann")
    assert acted.done == [fine.pk]
    assert {pk for pk, _ in acted.left} == {left.pk, 987654}


def test_an_act_on_nothing_does_nothing(db: None) -> None:
    assert staff.cancel([], actor="ann") == staff.Acted()


def test_cancel_is_confirmed_at_once_and_keeps_what_was_typed(mapping: ProductMapping) -> None:
    row = make_row(mapping, at_elevate=PRESENT)
    acted = staff.cancel(
        [row.pk],
        actor="ann",
        explanation=" moved ",
        explanation_for_user="Sorry",
        notify=True,
        email="o@example.org",
    )
    row.refresh_from_db()
    assert acted.done == [row.pk]
    assert (row.status, row.staff_cancelled, row.confirmed) == (Status.CANCELLING, True, True)
    assert row.state.next_operation is Operation.CANCEL
    assert row.due_at is not None
    assert row.unwanted_at is not None
    assert row.cancel_details == {
        "explanation": "moved",
        "explanation_for_user": "Sorry",
        "notify": True,
        "email": "o@example.org",
    }


def test_cancel_before_elevate_knows_withdraws_without_a_call(mapping: ProductMapping) -> None:
    row = make_row(mapping, due_at=timezone.now())
    staff.cancel([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.status, row.due_at) == (Status.WITHDRAWN, None)


def test_cancel_of_a_doubtful_row_says_what_a_person_must_do(mapping: ProductMapping) -> None:
    row = make_row(mapping, at_elevate=MAYBE)
    acted = staff.cancel([row.pk], actor="ann")
    row.refresh_from_db()
    assert acted.done == [row.pk]
    assert "look there" in str(acted.notes[0][1])
    assert (row.status, row.obstacle, row.due_at) == (Status.UNCONFIRMED, Obstacle.DOUBT, None)


def test_cancel_during_an_open_call_leaves_the_lease_alone(mapping: ProductMapping) -> None:
    token, lease = uuid.uuid4(), timezone.now() + timedelta(minutes=3)
    row = make_row(mapping, claim_token=token, claimed_for="register", due_at=lease)
    staff.cancel([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.claim_token, row.due_at, row.wanted) == (token, lease, False)
    settled = lifecycle.settle(row.state, Operation.REGISTER, lifecycle.Outcome.DONE)
    assert settled.next_operation is Operation.CANCEL


def test_cancel_tells_that_another_paid_order_covers_the_member(mapping: ProductMapping) -> None:
    kept = make_row(mapping, learner_key="M-1", at_elevate=PRESENT)
    row = make_row(mapping, learner_key="M-1", at_elevate=PRESENT)
    acted = staff.cancel([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.status, row.due_at) == (Status.COVERED, None)
    assert acted.notes == [
        (row.pk, "another paid order covers the same member and product, so nothing is cancelled at Elevate")
    ]
    staff.cancel([kept.pk], actor="ann")
    kept.refresh_from_db()
    row.refresh_from_db()
    assert (kept.status, row.status) == (Status.CANCELLING, Status.CANCELLING)


def test_cancel_of_both_at_once_cancels_both(mapping: ProductMapping) -> None:
    rows = [make_row(mapping, learner_key="M-1", at_elevate=PRESENT) for _ in range(2)]
    acted = staff.cancel([row.pk for row in rows], actor="ann")
    assert len(acted.done) == 2
    assert acted.notes == []
    assert {row.status for row in Registration.objects.all()} == {Status.CANCELLING}


def test_cancel_does_not_release_the_brake(mapping: ProductMapping) -> None:
    row = make_row(mapping, at_elevate=PRESENT, wanted=False, obstacle=Obstacle.PARKED)
    acted = staff.cancel([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.obstacle, row.due_at) == (Obstacle.PARKED, None)
    assert "brake" in str(acted.notes[0][1])


def test_cancel_repeats_a_refused_cancel_with_the_new_words(mapping: ProductMapping) -> None:
    row = make_row(mapping, at_elevate=PRESENT, wanted=False, obstacle=Obstacle.CANCEL_REFUSED)
    staff.cancel([row.pk], actor="ann", explanation="again")
    row.refresh_from_db()
    assert row.state.next_operation is Operation.CANCEL
    assert row.cancel_details["explanation"] == "again"


def test_cancel_of_a_cancelled_row_is_left(mapping: ProductMapping) -> None:
    row = make_row(mapping, wanted=False)
    assert staff.cancel([row.pk], actor="ann").done == []


def test_register_again_revives_a_staff_cancelled_row(mapping: ProductMapping) -> None:
    row = make_row(
        mapping,
        wanted=False,
        staff_cancelled=True,
        cancel_details={"notify": False},
        registered_at=timezone.now(),
    )
    staff.register_again([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.status, row.staff_cancelled, row.cancel_details) == (Status.PENDING, False, None)
    assert row.due_at is not None


def test_register_again_asks_for_an_active_seat(mapping: ProductMapping) -> None:
    row = make_row(mapping, wanted=False, seat_active=False)
    acted = staff.register_again([row.pk], actor="ann")
    assert acted.left == [(row.pk, "the order no longer covers this seat")]


def test_register_again_leaves_what_is_wanted(mapping: ProductMapping) -> None:
    row = make_row(mapping)
    assert staff.register_again([row.pk], actor="ann").done == []


@pytest.mark.parametrize(
    ("code", "obstacle"), [("no_email", Obstacle.INCOMPLETE), ("same_email", Obstacle.IDENTITY)]
)
def test_register_again_does_not_send_incomplete_details(
    mapping: ProductMapping, code: str, obstacle: str
) -> None:
    row = make_row(mapping, wanted=False, problems=code)
    staff.register_again([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.status, row.obstacle, row.due_at) == (Status.HELD, obstacle, None)


def test_register_again_in_doubt_says_so(mapping: ProductMapping) -> None:
    row = make_row(mapping, wanted=False, at_elevate=MAYBE, obstacle=Obstacle.DOUBT)
    acted = staff.register_again([row.pk], actor="ann")
    assert "may have it" in str(acted.notes[0][1])


def test_register_again_covers_the_learners_other_given_up_seats(mapping: ProductMapping) -> None:
    row = make_row(mapping, learner_key="M-1", wanted=False)
    other = make_row(
        mapping, learner_key="M-1", wanted=False, at_elevate=PRESENT, confirmed=True, due_at=timezone.now()
    )
    staff.register_again([row.pk], actor="ann")
    other.refresh_from_db()
    assert (other.status, other.due_at) == (Status.COVERED, None)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.CANCEL_REFUSED}, Status.CANCELLED),
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.PARKED}, Status.CANCELLED),
        ({"at_elevate": MAYBE, "wanted": False, "obstacle": Obstacle.DOUBT}, Status.WITHDRAWN),
        ({"at_elevate": LEAVING, "wanted": True, "obstacle": Obstacle.CANCEL_REFUSED}, Status.PENDING),
    ],
)
def test_mark_cancelled_records_what_a_person_saw(
    mapping: ProductMapping, fields: dict[str, Any], status: Status
) -> None:
    row = make_row(mapping, **fields)
    assert staff.mark_cancelled([row.pk], actor="ann").done == [row.pk]
    row.refresh_from_db()
    assert (row.status, row.at_elevate) == (status, ABSENT)
    assert (row.cancelled_at is not None) is ("registered_at" in fields or row.registered_at is not None)


@pytest.mark.parametrize(
    "fields", [{}, {"at_elevate": PRESENT}, {"at_elevate": MAYBE, "obstacle": Obstacle.DOUBT}]
)
def test_mark_cancelled_leaves_what_is_wanted(mapping: ProductMapping, fields: dict[str, Any]) -> None:
    row = make_row(mapping, **fields)
    assert staff.mark_cancelled([row.pk], actor="ann").done == []


def test_mark_cancelled_tells_the_host(
    mapping: ProductMapping, django_capture_on_commit_callbacks: Any
) -> None:
    row = make_row(mapping, at_elevate=PRESENT, wanted=False, obstacle=Obstacle.CANCEL_REFUSED)
    told: list[int] = []

    def hear(registration: Registration, **_kwargs: Any) -> None:
        told.append(registration.pk)

    signals.cancelled.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            staff.mark_cancelled([row.pk], actor="ann")
    finally:
        signals.cancelled.disconnect(hear)
    assert told == [row.pk]


@pytest.mark.parametrize("obstacle", [Obstacle.PARKED, Obstacle.CANCEL_REFUSED])
def test_keep_leaves_the_learner_registered(mapping: ProductMapping, obstacle: str) -> None:
    row = make_row(mapping, at_elevate=PRESENT, wanted=False, seat_active=False, obstacle=obstacle)
    staff.keep([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.status, row.seat_active, row.due_at) == (Status.REGISTERED, False, None)


def test_keep_and_let_go_leave_what_does_not_wait(mapping: ProductMapping) -> None:
    row = make_row(mapping, at_elevate=PRESENT)
    assert staff.keep([row.pk], actor="ann").done == []
    assert staff.let_go([row.pk], actor="ann").done == []


@pytest.mark.parametrize("act", [staff.keep, staff.mark_cancelled])
def test_what_a_call_is_open_for_is_left_alone(mapping: ProductMapping, act: Any) -> None:
    fields = {"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.CANCEL_REFUSED}
    row = make_row(mapping, **fields, claim_token=uuid.uuid4(), claimed_for="cancel", due_at=timezone.now())
    acted = act([row.pk], actor="ann")
    assert acted.done == []
    assert acted.left == [(row.pk, CALL_OPEN)]
    row.refresh_from_db()
    assert (row.at_elevate, row.wanted, row.claim_token is None) == (PRESENT, False, False)


def test_let_go_passes_the_brake(mapping: ProductMapping) -> None:
    row = make_row(mapping, at_elevate=PRESENT, wanted=False, obstacle=Obstacle.PARKED)
    staff.let_go([row.pk], actor="ann")
    row.refresh_from_db()
    assert (row.brake_released, row.confirmed, row.state.next_operation) == (True, True, Operation.CANCEL)
    assert row.due_at is not None


@pytest.mark.parametrize(
    "fields", [{"at_elevate": MAYBE, "obstacle": Obstacle.DOUBT}, {"obstacle": Obstacle.REFUSED}]
)
def test_mark_registered_takes_the_id_that_a_person_found(
    mapping: ProductMapping, fields: dict[str, Any]
) -> None:
    row = make_row(mapping, **fields)
    staff.mark_registered(row.pk, " 583919 ", "https://elevate.example/p", actor="ann")
    row.refresh_from_db()
    assert (row.status, row.registration_id, row.id_is_number) == (Status.REGISTERED, "583919", True)
    assert (row.product_url, row.site) == ("https://elevate.example/p", "https://elevate.example")
    assert row.registered_at is not None


def test_mark_registered_of_an_unwanted_row_is_cancelled_next(mapping: ProductMapping) -> None:
    row = make_row(mapping, wanted=False, confirmed=True, at_elevate=MAYBE, obstacle=Obstacle.DOUBT)
    staff.mark_registered(row.pk, "AB-1", actor="ann")
    row.refresh_from_db()
    assert row.state.next_operation is Operation.CANCEL
    assert row.id_is_number is False


def test_mark_registered_of_an_unconfirmed_wish_has_the_order_read_again(mapping: ProductMapping) -> None:
    row = make_row(mapping, wanted=False, at_elevate=MAYBE, obstacle=Obstacle.DOUBT)
    staff.mark_registered(row.pk, "7", actor="ann")
    assert OrderMark.objects.filter(order_ref=row.order_ref).exists()


@pytest.mark.parametrize("typed", ["", "   ", "x" * 65])
def test_mark_registered_asks_for_an_id(mapping: ProductMapping, typed: str) -> None:
    row = make_row(mapping, obstacle=Obstacle.REFUSED)
    assert staff.mark_registered(row.pk, typed, actor="ann").done == []


def test_mark_registered_refuses_an_id_that_another_live_row_has(mapping: ProductMapping) -> None:
    make_row(mapping, at_elevate=PRESENT, registration_id="7")
    row = make_row(mapping, obstacle=Obstacle.REFUSED)
    assert "already has this ID" in str(staff.mark_registered(row.pk, "7", actor="ann").left[0][1])


def test_mark_registered_leaves_other_states(mapping: ProductMapping) -> None:
    row = make_row(mapping, wanted=False)
    assert staff.mark_registered(row.pk, "7", actor="ann").done == []


def test_pause_and_resume(db: None) -> None:
    assert staff.pause(actor="ann")
    assert not staff.pause(actor="bob")
    state = DeliveryState.objects.get()
    assert (state.paused, state.paused_by) == (True, "ann")
    DeliveryState.objects.update(gate="key", gate_message="no", failures=3)
    staff.resume(actor="bob")
    state.refresh_from_db()
    assert (state.paused, state.gate, state.gate_message, state.probe_at, state.failures) == (
        False,
        "",
        "",
        None,
        0,
    )


def test_clear_alarm(db: None) -> None:
    assert not staff.clear_alarm(actor="ann")
    DeliveryState.objects.update(alarm="More cancels than usual.", alarm_at=timezone.now())
    assert staff.clear_alarm(actor="ann")
    assert DeliveryState.objects.get().alarm == ""


def _sale(order_ref: str, *keys: str) -> UnmappedSale:
    return UnmappedSale.objects.create(
        order_ref=order_ref, seat_key="item:1", product_keys=UnmappedSale.pack(keys or ("course:ART",))
    )


def test_not_for_elevate_closes_the_past_sales(db: None) -> None:
    _sale("1", "course:ART-v", "course:ART")
    _sale("2", "course:ARTS")
    decided = staff.not_for_elevate("course:ART", "Art", actor="ann")
    assert decided == staff.Decided(seats=1, orders=1)
    assert ProductMapping.objects.get(product_key="course:ART").not_for_elevate
    assert list(UnmappedSale.objects.open().values_list("order_ref", flat=True)) == ["2"]
    assert staff.not_for_elevate("course:ART", "Art", actor="ann").seats == 0


def test_not_for_elevate_does_not_contradict_a_mapping(mapping: ProductMapping) -> None:
    assert "deactivate" in str(staff.not_for_elevate("course:ETHICS", "", actor="ann").reason)
    mapping.refresh_from_db()
    assert not mapping.not_for_elevate


def test_apply_to_past_marks_each_order_once(mapping: ProductMapping) -> None:
    for ref in ("1", "2"):
        _sale(ref, "course:ETHICS")
    UnmappedSale.objects.create(
        order_ref="2", seat_key="item:2", product_keys=UnmappedSale.pack(("course:ETHICS",))
    )
    assert staff.apply_to_past("course:ETHICS", actor="ann") == staff.Decided(seats=3, orders=2)
    assert sorted(OrderMark.objects.values_list("order_ref", flat=True)) == ["1", "2"]
    assert {sale.decision for sale in UnmappedSale.objects.all()} == {"apply"}


def test_apply_to_past_needs_a_mapping(db: None) -> None:
    _sale("1")
    assert staff.apply_to_past("course:ART", actor="ann").reason
    assert UnmappedSale.objects.open().count() == 1


def test_leave_past(mapping: ProductMapping) -> None:
    _sale("1", "course:ETHICS")
    assert staff.leave_past("course:ETHICS", actor="ann").seats == 1
    assert not OrderMark.objects.exists()


def test_a_mended_mapping_is_taken_over_and_the_refused_are_tried_again(mapping: ProductMapping) -> None:
    refused = make_row(mapping, obstacle=Obstacle.REFUSED)
    registered = make_row(mapping, at_elevate=PRESENT)
    mapping.remote_product_id = "RIGHT1"
    mapping.save()
    assert staff.mapping_changed([mapping.pk], actor="ann").done == [refused.pk]
    refused.refresh_from_db()
    registered.refresh_from_db()
    assert (refused.remote_product_id, refused.status) == ("RIGHT1", Status.PENDING)
    assert (registered.remote_product_id, registered.status) == ("ABCD1234", Status.REGISTERED)


def test_a_mended_mapping_keeps_a_row_whose_seat_has_the_new_product_already(mapping: ProductMapping) -> None:
    refused = make_row(mapping, obstacle=Obstacle.REFUSED)
    make_row(
        mapping,
        order_ref=refused.order_ref,
        learner_key=refused.learner_key,
        remote_product_id="RIGHT1",
        at_elevate=PRESENT,
    )
    mapping.remote_product_id = "RIGHT1"
    mapping.save()
    staff.mapping_changed([mapping.pk], actor="ann")
    refused.refresh_from_db()
    assert refused.remote_product_id == "ABCD1234"


def test_resync_collects_results_and_errors(sell: Any, plainshop: Any) -> None:
    invoice = sell("ETHICS")
    good, again = staff.resync([invoice.pk, str(invoice.pk), "gone"], actor="ann")
    assert (good.created, good.error, again.created) == (1, "", 0)
    plainshop.broken = ValueError("no shop")
    (broken,) = staff.resync([invoice.pk], actor="ann")
    assert "no shop" in broken.error


def test_a_staff_cancel_outlives_resyncs_and_only_a_new_payment_revives_it(sell: Any) -> None:
    invoice = sell("ETHICS")
    sync_order(invoice.pk)
    row = Registration.objects.get()
    staff.cancel([row.pk], actor="ann")
    staff.resync([invoice.pk], actor="ann")
    row.refresh_from_db()
    assert row.status == Status.WITHDRAWN
    for state in ("refunded", "paid"):
        invoice.state = state
        invoice.save()
        staff.resync([invoice.pk], actor="ann")
    row.refresh_from_db()
    assert row.status == Status.PENDING


def test_keep_outlives_resyncs(sell: Any) -> None:
    invoice = sell("ETHICS")
    sync_order(invoice.pk)
    Registration.objects.update(
        at_elevate=PRESENT, status="registered", registered_at=timezone.now(), due_at=None
    )
    invoice.state = "refunded"
    invoice.save()
    staff.resync([invoice.pk], actor="ann")
    Registration.objects.update(obstacle=Obstacle.PARKED, due_at=None)
    row = Registration.objects.get()
    assert row.wanted is False
    staff.keep([row.pk], actor="ann")
    staff.resync([invoice.pk], actor="ann")
    row.refresh_from_db()
    assert (row.status, row.wanted) == (Status.REGISTERED, True)


@pytest.mark.django_db(transaction=True)
def test_a_staff_cancel_reaches_elevate_with_the_typed_words(sell: Any, deliver: Any, elevate: Any) -> None:
    sell("ETHICS")
    deliver()
    row = Registration.objects.get()
    assert row.status == Status.REGISTERED
    staff.cancel([row.pk], actor="ann", explanation="Moved to May", notify=True)
    deliver()
    row.refresh_from_db()
    assert row.status == Status.CANCELLED
    attempt = row.attempts.first()
    assert attempt is not None
    assert (attempt.trigger, attempt.actor) == ("staff", "ann")
    assert attempt.sent["cancellation_explanation"] == "Moved to May"
    assert attempt.sent["notify_cancelled_user"] is True
    staff.register_again([row.pk], actor="ann")
    deliver()
    row.refresh_from_db()
    assert row.status == Status.REGISTERED
