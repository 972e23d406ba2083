"""Registrations whose answer was lost: settled where the report has them for certain, told elsewhere."""

from __future__ import annotations

from datetime import timedelta

import pytest

from elevate_integration import signals
from elevate_integration.models import DeliveryState, OrderMark, Registration
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from tests.reconcile.conftest import day_of, differences, posts

pytestmark = pytest.mark.django_db(transaction=True)


class TestLostAnswers:
    def test_one_that_is_there_is_settled(self, proved, lose, back, run, elevate, deliver):
        row = lose()
        back()
        heard = []
        listen = lambda registration, **_: heard.append(registration.pk)  # noqa: E731
        signals.registered.connect(listen)
        before = posts(elevate)
        done = run()
        signals.registered.disconnect(listen)
        assert done.days[0].settled == 1
        row.refresh_from_db()
        held = elevate.registrations[-1]
        assert (row.status, row.registration_id, row.at_elevate) == (
            "registered",
            str(held.registration_id),
            "present",
        )
        assert (row.trigger, row.due_at, row.site, heard) == ("mark", None, elevate.url, [row.pk])
        said = row.attempts.first()
        assert (said.trigger, said.outcome, said.answered_id) == ("reconcile", "done", row.registration_id)
        assert f"report of {day_of()}" in said.note
        assert (said.sent, said.status_code, said.started_at) == ({}, None, None)
        assert (differences(), ReconciledDay.objects.get(day=day_of()).settled) == ([], 1)
        deliver()
        assert posts(elevate) == before

    def test_it_gets_the_page_that_elevate_answered_for_others(self, proved, enrol, lose, back, run, elevate):
        enrol(first=2)
        row = lose()
        back()
        run()
        row.refresh_from_db()
        assert row.product_url == elevate.product_url("ABCD1234")

    def test_before_the_ids_are_proved_it_is_only_told(self, lose, back, run, elevate):
        row = lose()
        back()
        assert run().days[0].settled == 0
        row.refresh_from_db()
        assert row.status == "unconfirmed"
        one = Discrepancy.objects.get()
        held = elevate.registrations[-1]
        assert (one.kind, one.registration, one.report_id) == ("found", row, str(held.registration_id))

    def test_what_a_person_records_closes_what_was_told(self, lose, back, run, elevate):
        from elevate_integration.staff import mark_registered

        row = lose()
        back()
        run()
        assert differences() == ["found"]
        mark_registered(row.pk, str(elevate.registrations[-1].registration_id), actor="tina")
        run(day_of(12))
        assert differences() == []

    def test_one_that_is_not_there_is_told_and_stays_in_doubt(self, proved, lose, back, run):
        row = lose(stored=False)
        back()
        run()
        row.refresh_from_db()
        assert (row.status, differences()) == ("unconfirmed", ["not_found"])

    def test_one_that_another_day_has_is_not_missing(self, lose, back, run, elevate):
        row = lose(stored=False)
        back()
        run()
        assert differences() == ["not_found"]
        held = elevate.registrations[-1]
        elevate.change_registration(
            held.registration_id, hidden=False, registered_at=held.registered_at + timedelta(hours=14)
        )
        run(day_of(), day_of(4))
        assert Discrepancy.objects.get(closed_at=None).registration == row
        assert differences() == ["found"]

    @pytest.mark.parametrize("read_twice", [True, False])
    def test_one_that_is_no_longer_wanted_is_cancelled_by_the_usual_way(
        self, proved, lose, back, run, elevate, deliver, read_twice
    ):
        from tests.plainshop.models import Invoice

        row = lose()
        back()
        Invoice.objects.filter(pk=row.order_ref).update(state="refunded")
        Invoice.objects.get(pk=row.order_ref).save()
        deliver()
        row.refresh_from_db()
        assert (row.wanted, row.status) == (False, "unconfirmed")
        Registration.objects.filter(pk=row.pk).update(confirmed=read_twice)
        before = posts(elevate)
        run()
        row.refresh_from_db()
        assert (row.at_elevate, row.status) == ("present", "cancelling")
        assert posts(elevate) == before
        assert OrderMark.objects.filter(order_ref=row.order_ref).exists() is not read_twice
        deliver()
        row.refresh_from_db()
        assert row.status == "cancelled"
        assert posts(elevate)[len(before) :] == ["/registrations/cancel"]
        cancel = row.attempts.get(operation="cancel")
        assert cancel.trigger == "mark"

    def test_the_brake_counts_such_cancels(self, proved, lose, back, run, elevate, deliver, settings):
        from tests.plainshop.models import Invoice

        rows = [lose(number=number) for number in (1, 2, 3)]
        back()
        for row in rows:
            invoice = Invoice.objects.get(pk=row.order_ref)
            invoice.state = "refunded"
            invoice.save()
        deliver()
        settings.ELEVATE = {**settings.ELEVATE, "CANCELS_PER_HOUR": 1}
        assert run().days[0].settled == 3
        deliver()
        parked = Registration.objects.filter(obstacle="parked").count()
        assert (parked, Registration.objects.filter(status="cancelled").count()) == (2, 1)
        assert "More than 1 cancels" in DeliveryState.objects.get().alarm

    def test_an_open_call_is_left_alone(self, proved, lose, back, run, elevate):
        import uuid

        row = lose()
        back()
        Registration.objects.filter(pk=row.pk).update(claim_token=uuid.uuid4(), claimed_for="register")
        run()
        row.refresh_from_db()
        assert (row.registration_id, differences()) == ("", [])

    def test_a_call_that_opens_meanwhile_is_left_alone(self, proved, lose, back, run, monkeypatch):
        import uuid

        from elevate_integration.reconcile import run as running

        row = lose()
        back()
        settle = running.settle_found

        def claim_first(*args):
            Registration.objects.filter(pk=row.pk).update(claim_token=uuid.uuid4(), claimed_for="register")
            return settle(*args)

        monkeypatch.setattr(running, "settle_found", claim_first)
        assert run().days[0].settled == 0
        row.refresh_from_db()
        assert row.registration_id == ""

    def test_what_a_person_recorded_meanwhile_stands(self, proved, lose, back, run, monkeypatch):
        from elevate_integration.reconcile import run as running
        from elevate_integration.staff import mark_registered

        row = lose()
        back()
        settle = running.settle_found

        def record_first(*args):
            assert mark_registered(row.pk, "4711", actor="tina").done
            return settle(*args)

        monkeypatch.setattr(running, "settle_found", record_first)
        assert run().days[0].settled == 0
        row.refresh_from_db()
        assert (row.registration_id, row.actor, differences()) == ("4711", "tina", [])

    def test_an_id_that_another_registration_has_is_never_taken(self, proved, lose, back, run, elevate):
        row = lose()
        back()
        other = Registration.objects.exclude(pk=row.pk).first()
        Registration.objects.filter(pk=other.pk).update(
            registration_id=str(elevate.registrations[-1].registration_id)
        )
        run()
        row.refresh_from_db()
        assert row.status == "unconfirmed"

    def test_a_second_one_that_the_repeat_left_is_noted_as_duplicate(
        self, proved, sell, deliver, back, run, elevate
    ):
        elevate.fail("reset_after_storing", times=2)
        invoice = sell(person_id="M-1", email="m1@example.org")
        deliver()
        row = Registration.objects.get(order_ref=str(invoice.pk))
        assert (row.doubts, row.status) == (2, "unconfirmed")
        back()
        run()
        row.refresh_from_db()
        first, second = (str(held.registration_id) for held in elevate.registrations[-2:])
        assert (row.registration_id, row.duplicates, row.status) == (second, [first], "registered")
        assert differences() == ["twice"]

    def test_it_is_settled_once(self, proved, lose, back, run):
        row = lose()
        back()
        run()
        assert run().days[0].settled == 0
        assert row.attempts.filter(trigger="reconcile").count() == 1
        assert differences() == []
