"""Orders, staff, crashes, lost and late answers in any order: what must hold after each step, and in the end.

The calls are made by hand here, so that a step can come between claim and call, call and answer, answer and commit.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from elevate_integration import staff
from elevate_integration.delivery import queue
from elevate_integration.delivery.sender import make_client, prepare, send
from elevate_integration.delivery.sweep import sweep
from elevate_integration.delivery.worker import Worker
from elevate_integration.lifecycle import LIVE, AtElevate, Operation, Outcome, Status
from elevate_integration.models import (
    Attempt,
    DeliveryState,
    OrderMark,
    Registration,
    TrackedOrder,
    UnmappedSale,
)
from elevate_integration.sync import sync_order
from tests.plainshop.models import Invoice, Item
from tests.plainshop.source import PlainSource

PRODUCTS = {"ETHICS": "ABCD1234", "LAW": "LAW5678"}
PEOPLE = ("M-1", "M-2", "M-3")
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "reset_before_reading": {},
    "reset_after_storing": {},
    "store_then_status": {},
    "status": {"status": 500},
    "garbage": {},
    "no_id": {},
    "wrong_type": {},
    "close_half": {},
    "refuse": {},
    "nul": {},
}
TURNED_AWAY = {"status": 429, "headers": {"Retry-After": "0"}}
# What a wanted, and an unwanted registration may be once everything has settled down.
AT_REST_WANTED = {Status.REGISTERED, Status.REFUSED, Status.UNCONFIRMED, Status.CANCEL_REFUSED}
AT_REST_UNWANTED = {
    Status.CANCELLED,
    Status.WITHDRAWN,
    Status.COVERED,
    Status.CANCEL_REFUSED,
    Status.UNCONFIRMED,
}


@dataclass
class Call:
    """One claimed call: not sent, or sent and not settled; its lease may have run out."""

    claimed: queue.Claimed
    result: queue.Result | None = None
    expired: bool = False


class Interleavings(RuleBasedStateMachine):
    """The shop, its office, two workers that may die, and an Elevate that may fail."""

    elevate: Any = None

    @initialize(people=st.tuples(*[st.sampled_from(PEOPLE)] * 3))
    def open_the_shop(self, people):
        for model in (Attempt, Registration, OrderMark, TrackedOrder, UnmappedSale, DeliveryState, Invoice):
            model.objects.all().delete()
        self.elevate.clear()
        PlainSource.broken = None
        self.calls: list[Call] = []
        self.client = make_client()
        for courses in (("ETHICS", "LAW"), ("ETHICS",)):
            invoice = Invoice.objects.create(state="paid", issued=timezone.now())
            for course in courses:
                item = Item(invoice=invoice, course=course, price="120.00")
                self._seat(item, people[Item.objects.count()])

    def _seat(self, item: Item, person: str) -> None:
        item.person_id, item.first_name, item.email = person, f"Name {person}", f"{person}@example.org"
        item.save()

    def _pick(self, model: Any, number: int) -> Any:
        rows = list(model.objects.order_by("pk"))
        return rows[number % len(rows)] if rows else None

    # The shop.

    @rule(number=st.integers(0, 2), state=st.sampled_from(["paid", "refunded", "paid", "cancelled"]))
    def change_an_order(self, number, state):
        invoice = self._pick(Invoice, number)
        invoice.state = state
        invoice.save()

    @rule(number=st.integers(0, 2), refunded=st.booleans())
    def refund_or_restore_a_seat(self, number, refunded):
        item = self._pick(Item, number)
        item.refunded = refunded
        item.save()

    @rule(number=st.integers(0, 2), person=st.sampled_from(PEOPLE))
    def change_a_learner(self, number, person):
        self._seat(self._pick(Item, number), person)

    @rule(number=st.integers(0, 2))
    def write_a_line_anew(self, number):
        item = self._pick(Item, number)
        Item.objects.filter(pk=item.pk).delete()
        item.pk = None
        item.save(force_insert=True)

    @rule()
    def save_everything(self):
        for invoice in Invoice.objects.all():
            invoice.save()

    # Our reading of it.

    @rule()
    def read_the_marks(self):
        for ref in queue.due_orders(20):
            sync_order(ref)

    @rule(number=st.integers(0, 1))
    def resync(self, number):
        staff.resync([self._pick(Invoice, number).pk], actor="eve")

    @rule(number=st.integers(0, 1))
    def read_an_order_that_cannot_be_read(self, number):
        PlainSource.broken = RuntimeError("the shop is being mended")
        try:
            assert sync_order(self._pick(Invoice, number).pk, trigger="staff").error
        finally:
            PlainSource.broken = None

    @rule()
    def sweep(self):
        sweep()

    # The office.

    @precondition(lambda self: Registration.objects.exists())
    @rule(number=st.integers(0, 5), act=st.sampled_from([staff.cancel, staff.register_again, staff.retry]))
    def act_as_staff(self, number, act):
        act([self._pick(Registration, number).pk], actor="eve")

    # Delivery.

    @rule(limit=st.integers(1, 3))
    def claim(self, limit):
        for claimed in queue.claim(limit):
            open_calls = [c for c in self.calls if c.claimed.row.pk == claimed.row.pk and not c.expired]
            assert not open_calls, "two calls for one registration at the same time"
            row = Registration.objects.get(pk=claimed.row.pk)
            if claimed.operation is Operation.REGISTER:
                assert row.wanted, "nothing is registered that is not wanted"
            elif row.wanted:
                assert row.at_elevate == AtElevate.LEAVING, "nothing is cancelled that is wanted"
            else:
                assert row.confirmed, "nothing is cancelled that was read only once"
            self.calls.append(Call(claimed))

    @precondition(lambda self: any(call.result is None for call in self.calls))
    @rule(number=st.integers(0, 5), fault=st.sampled_from(sorted(FAULTS)), turned_away=st.booleans())
    def send(self, number, fault, turned_away):
        unsent = [call for call in self.calls if call.result is None]
        call = unsent[number % len(unsent)]
        if fault != "none":
            options = TURNED_AWAY if fault == "status" and turned_away else FAULTS[fault]
            self.elevate.fail(fault, **options)
        call.result = send(self.client, call.claimed, prepare(call.claimed))
        self.elevate.clear_faults()

    @precondition(lambda self: any(call.result for call in self.calls))
    @rule(number=st.integers(0, 5))
    def settle(self, number):
        answered = [call for call in self.calls if call.result]
        call = answered[number % len(answered)]
        self.calls.remove(call)
        queue.settle_all([call.result])

    @precondition(lambda self: any(call.result for call in self.calls))
    @rule()
    def settle_everything_at_once(self):
        answered = [call for call in self.calls if call.result]
        self.calls = [call for call in self.calls if not call.result]
        queue.settle_all([call.result for call in answered])

    @precondition(lambda self: bool(self.calls))
    @rule(number=st.integers(0, 5))
    def die_with_a_call(self, number):
        call = self.calls.pop(number % len(self.calls))
        self._expire(call)

    @precondition(lambda self: any(not call.expired for call in self.calls))
    @rule(number=st.integers(0, 5))
    def outlive_a_lease(self, number):
        fresh = [call for call in self.calls if not call.expired]
        self._expire(fresh[number % len(fresh)])

    def _expire(self, call: Call) -> None:
        call.expired = True
        ours = Registration.objects.filter(pk=call.claimed.row.pk, claim_token=call.claimed.token)
        ours.update(due_at=timezone.now() - timedelta(seconds=1))

    # What must always hold.

    @invariant()
    def every_row_says_what_follows_from_it(self):
        for row in Registration.objects.all():
            assert row.status == row.state.status, row.__dict__
            if row.claim_token is None:
                assert (row.due_at is None) == (row.state.next_operation is None), row.__dict__
            else:
                assert row.due_at is not None

    @invariant()
    def whatever_lives_at_elevate_is_known_or_in_doubt(self):
        in_hand = {call.claimed.row.pk for call in self.calls}
        for held in self.elevate.live():
            assert self._is_accounted_for(held, in_hand), held

    def _is_accounted_for(self, held, in_hand):
        identity = {"remote_user_id": held.remote_user_id, "remote_product_id": held.remote_product_id}
        number = str(held.registration_id)
        rows = Registration.objects.all()
        if rows.filter(registration_id=number, at_elevate__in=LIVE).exists():
            return True
        if rows.filter(**identity).filter(pk__in=in_hand).exists() or rows.exclude(claim_token=None).exists():
            return True
        if Attempt.objects.filter(answered_id=number).exists():
            return True
        doubts = Attempt.objects.filter(operation=Operation.REGISTER, outcome=Outcome.UNKNOWN)
        return any(
            attempt.sent.get("remote_user_id", attempt.registration.remote_user_id) == held.remote_user_id
            and attempt.registration.remote_product_id == held.remote_product_id
            for attempt in doubts.select_related("registration")
        )

    @invariant()
    def nobody_is_registered_more_often_than_asked_for_without_a_doubt_on_record(self):
        live = Counter((held.remote_user_id, held.remote_product_id) for held in self.elevate.live())
        doubts = Attempt.objects.filter(operation=Operation.REGISTER, outcome=Outcome.UNKNOWN).exists()
        late = Attempt.objects.exclude(answered_id="").exists() or self.calls
        for (user, product), count in live.items():
            rows = Registration.objects.filter(remote_user_id=user, remote_product_id=product)
            assert count <= rows.count() or doubts or late

    # The end: everything heals, everything is delivered.

    def teardown(self):
        if not hasattr(self, "calls"):
            return
        self.client.close()
        for invoice in Invoice.objects.all():
            invoice.save()
        for _ in range(4):
            long_ago = timezone.now() - timedelta(hours=2)
            Registration.objects.exclude(due_at=None).update(due_at=long_ago)
            DeliveryState.objects.update(sweep_due_at=None)
            DeliveryState.objects.exclude(gate="").update(probe_at=long_ago)
            Worker(threads=2).run_once()
        self._at_rest()
        self.every_row_says_what_follows_from_it()
        self.calls = []
        self.whatever_lives_at_elevate_is_known_or_in_doubt()

    def _at_rest(self):
        assert not OrderMark.objects.exists()
        assert not Registration.objects.exclude(due_at=None).exists()
        live = {str(held.registration_id) for held in self.elevate.live()}
        for row in Registration.objects.all():
            assert row.status in (AT_REST_WANTED if row.wanted else AT_REST_UNWANTED), row.__dict__
            if row.status == Status.REGISTERED:
                assert row.registration_id in live or self._lost_a_cancel(row), row.__dict__
            if row.status == Status.CANCELLED:
                assert row.registration_id not in live, row.__dict__
            if row.status == Status.UNCONFIRMED:
                assert row.attempts.filter(outcome=Outcome.UNKNOWN).exists()
        for item in Item.objects.select_related("invoice"):
            self._seat_is_right(item)

    def _seat_is_right(self, item):
        rows = Registration.objects.filter(seat_key=f"item:{item.pk}")
        paid = item.invoice.state == "paid" and not item.refunded
        active = [row for row in rows if row.seat_active]
        assert len(active) == paid, [row.__dict__ for row in rows]
        for row in active:
            assert row.remote_user_id == item.person_id
            assert row.wanted or row.staff_cancelled
        for row in rows:
            assert not row.wanted or row.seat_active

    def _lost_a_cancel(self, row):
        cancels = row.attempts.filter(operation=Operation.CANCEL)
        return cancels.exclude(outcome=Outcome.DONE).exists()


@pytest.mark.django_db(transaction=True)
def test_no_order_of_events_loses_a_seat_or_hides_a_double(plainshop, elevate, settings_for_speed):
    Interleavings.elevate = elevate
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=int(os.environ.get("INTERLEAVINGS", "30")),
            stateful_step_count=int(os.environ.get("INTERLEAVING_STEPS", "25")),
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        ),
    )


@pytest.fixture
def settings_for_speed(settings):
    """Gate and brake have tests of their own; here they would only hide what happens."""
    settings.ELEVATE = {
        **settings.ELEVATE,
        "UNREACHABLE_AFTER": 1_000_000,
        "KEY_SUSPECT_AFTER": 1_000_000,
        "CANCELS_PER_HOUR": 1_000_000,
    }
