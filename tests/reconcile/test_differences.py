"""What differs, and what becomes of it when its day is read again. The fake Elevate over HTTP, the real database."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from elevate_integration.models import Attempt, ProductMapping, Registration
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from tests.reconcile.conftest import REPORTS, day_of, differences

pytestmark = pytest.mark.django_db(transaction=True)


class TestDifferences:
    def test_here_and_not_there(self, enrol, back, run, elevate):
        row = enrol(2)[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)
        assert run().days[0].differences == 1
        one = Discrepancy.objects.get()
        assert (one.kind, one.registration, one.subject) == ("only_here", row, f"row:{row.pk}")
        assert (one.day.day, one.decision, one.closed_at, one.email) == (day_of(), "open", None, "")
        row.refresh_from_db()
        assert row.status == "registered"

    def test_a_product_in_cold_storage_looks_missing(self, enrol, back, run, elevate):
        enrol(1, "ETHICS", "LAW")
        back()
        elevate.reports.cold_storage = {"LAW5678"}
        run()
        assert differences() == ["only_here"]

    def test_there_and_not_here(self, enrol, back, run, elevate):
        enrol()
        elevate.add_registration("ABCD1234", email="Walk.In@example.org", remote_user_id="W-9")
        elevate.add_registration("FREE", email="other@example.org")
        back()
        run()
        one = Discrepancy.objects.get()
        held = elevate.registrations[1]
        assert (one.kind, one.registration, one.report_id) == ("only_there", None, str(held.registration_id))
        assert (one.email, one.remote_user_id) == ("Walk.In@example.org", "W-9")
        assert (one.remote_product_id, one.product_title) == ("ABCD1234", "ABCD1234")
        assert one.transaction_at.startswith(str(day_of()))
        assert ReconciledDay.objects.get().others == 1

    def test_there_although_refused_here(self, sell, deliver, back, run, elevate):
        ProductMapping.objects.filter(remote_product_id="ABCD1234").update(remote_product_id="GONE")
        sell()
        deliver()
        row = Registration.objects.get()
        assert row.status == "refused"
        elevate.add_registration("GONE", email="ada@example.org")
        back()
        run()
        one = Discrepancy.objects.get()
        assert (one.kind, one.registration, one.email) == ("only_there", row, "")

    def test_twice_there(self, enrol, back, run, elevate):
        row = enrol()[0]
        elevate.add_registration("ABCD1234", email="m1@example.org", remote_user_id="M-1")
        back()
        run()
        one = Discrepancy.objects.get()
        assert (one.kind, one.registration, one.count_here, one.count_there) == ("twice", row, 1, 2)

    def test_amounts_that_differ(self, enrol, back, run, elevate):
        row = enrol()[0]
        back()
        elevate.change_registration(int(row.registration_id), amount_paid="99.00")
        run()
        one = Discrepancy.objects.get()
        assert (one.kind, one.amount_here, one.amount_there) == (
            "amount",
            Decimal("120.00"),
            Decimal("99.00"),
        )

    def test_amounts_are_those_that_were_sent(self, enrol, back, run, settings):
        settings.ELEVATE = {**settings.ELEVATE, "SEND_AMOUNTS": False}
        enrol()
        back()
        run()
        assert differences() == []

    def test_registrations_of_another_elevate_site_do_not_count(self, enrol, back, run, elevate):
        enrol()
        back()
        Registration.objects.update(site="https://old.example.org")
        elevate.change_registration(elevate.registrations[0].registration_id, hidden=True)
        run()
        assert (differences(), ReconciledDay.objects.get().here) == ([], 0)

    def test_imported_registrations_are_never_missing(self, enrol, back, run, elevate):
        enrol()
        back()
        Attempt.objects.all().delete()
        elevate.change_registration(elevate.registrations[0].registration_id, hidden=True)
        run()
        assert differences() == []

    def test_a_changed_address_is_the_learners_too(self, enrol, back, run, elevate):
        first = enrol()[0]
        back()
        elevate.change_registration(int(first.registration_id), email="new@example.org")
        run()
        assert sorted(differences()) == ["only_here", "only_there"]
        Registration.objects.create(
            order_ref="77",
            seat_key="item:1",
            mapping=first.mapping,
            remote_product_id="LAW5678",
            learner_key="M-1",
            remote_user_id="M-1",
            email="new@example.org",
            email_key="new@example.org",
            site=first.site,
        )
        run()
        assert differences() == []

    def test_a_refund_leaves_nothing_missing(self, enrol, deliver, back, run, elevate):
        row = enrol()[0]
        from tests.plainshop.models import Invoice

        Invoice.objects.get(pk=row.order_ref).items.update(refunded=True)
        invoice = Invoice.objects.get(pk=row.order_ref)
        invoice.save()
        deliver()
        deliver()
        row.refresh_from_db()
        assert row.status == "cancelled"
        back()
        for shown in (False, True):
            elevate.reports.cancelled = shown
            run()
            assert differences() == []


class TestADayReadAgain:
    def test_closes_what_is_no_longer_true(self, enrol, back, run, elevate):
        row = enrol()[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)
        run()
        elevate.change_registration(int(row.registration_id), hidden=False)
        run()
        one = Discrepancy.objects.get()
        assert one.closed_at is not None
        assert (differences(), ReconciledDay.objects.count()) == ([], 1)

    def test_keeps_what_staff_decided(self, enrol, back, run, elevate):
        row = enrol()[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)
        run()
        seen = Discrepancy.objects.get()
        Discrepancy.objects.update(decision="expected", note="archived", decided_by="tina")
        assert run().days[0].differences == 0
        one = Discrepancy.objects.get()
        assert (one.pk, one.decision, one.note, one.decided_by) == (seen.pk, "expected", "archived", "tina")
        assert one.last_seen_at > seen.last_seen_at
        assert one.first_seen_at == seen.first_seen_at

    def test_opens_again_what_was_put_right_and_is_not(self, enrol, back, run, elevate):
        row = enrol()[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)
        run()
        Discrepancy.objects.update(decision="mended", note="done", closed_at=timezone.now())
        assert run().days[0].differences == 1
        one = Discrepancy.objects.get()
        assert (one.decision, one.note, one.closed_at) == ("open", "done", None)

    def test_without_an_id_finds_the_same_difference(self, enrol, back, run, elevate, settings):
        settings.ELEVATE = {**settings.ELEVATE, "REPORT_FIELDS": {"id": ""}}
        enrol()
        for _ in range(2):
            elevate.add_registration("ABCD1234", email="walk.in@example.org")
        moment = elevate.registrations[1].registered_at
        for held in elevate.registrations[1:]:
            elevate.change_registration(held.registration_id, registered_at=moment)
        back()
        run()
        run()
        subjects = set(Discrepancy.objects.values_list("subject", flat=True))
        assert (differences(), len(subjects)) == (["only_there", "only_there"], 2)
        assert not any("walk.in" in subject for subject in subjects)

    def test_without_the_days_beside_it_keeps_what_was_missing(self, enrol, back, run, elevate):
        row = enrol()[0]
        back()
        elevate.change_registration(int(row.registration_id), hidden=True)
        run()

        elevate.fail("html", times=2, path=REPORTS)
        done = run()
        assert done.days[0].is_read
        assert done.days[0].beside
        assert not done.is_complete
        assert (differences(), ReconciledDay.objects.get().whole) == (["only_here"], False)
