"""What proves the report's IDs, what ends the proof, and learners who were forgotten."""

from __future__ import annotations

import pytest
from django.utils import timezone

from elevate_integration.models import Attempt, Registration
from elevate_integration.reconcile.proof import begin_anew, proof_now
from elevate_integration.reconciled import ReconciledDay
from tests.reconcile.conftest import day_of, differences

pytestmark = pytest.mark.django_db(transaction=True)


class TestProof:
    def test_five_equal_ids_prove_them_and_settle_the_same_day(self, enrol, lose, back, run):
        enrol(5, first=10)
        row = lose()
        back()
        assert run().days[0].settled == 1
        row.refresh_from_db()
        proof = proof_now()
        assert (proof.ids.proved, proof.ids.equal, proof.ids.needed) == (True, 5, 5)
        assert (proof.members.proved, proof.members.equal) == (True, 5)
        assert row.status == "registered"

    def test_four_do_not(self, enrol, lose, back, run):
        enrol(4, first=10)
        lose()
        back()
        assert run().days[0].settled == 0
        assert (proof_now().ids.proved, differences()) == (False, ["found"])

    def test_a_day_read_again_counts_once(self, enrol, lose, back, run):
        enrol(4, first=10)
        lose()
        back()
        run()
        assert run().days[0].settled == 0
        assert proof_now().ids.equal == 4

    def test_an_id_that_differs_ends_it_says_why_and_settles_nothing(
        self, proved, enrol, lose, back, run, elevate
    ):
        enrol(first=10)
        lose()
        back()
        elevate.reports.fields["id"] = lambda row: row.held.registration_id + 1_000_000
        assert run().days[0].settled == 0
        proof = proof_now()
        assert not proof.ids.proved
        assert f"On {day_of()} the report gives ID" in proof.ids.doubt
        assert "found" in differences()

    def test_a_doubt_lasts_until_staff_begin_anew(self, proved, enrol, lose, back, run, elevate):
        enrol(first=10)
        row = lose()
        back()
        shift = elevate.reports.fields["id"]
        elevate.reports.fields["id"] = lambda row: row.held.registration_id + 1_000_000
        run()
        elevate.reports.fields["id"] = shift
        assert run().days[0].settled == 0
        begin_anew()
        assert (proof_now().ids.equal, proof_now().ids.doubt) == (0, "")
        run()
        assert (proof_now().ids.equal, proof_now().ids.proved) == (1, False)
        row.refresh_from_db()
        assert row.status == "unconfirmed"

    def test_ids_that_came_from_a_report_prove_nothing(self, proved, lose, back, run):
        for number in range(1, 4):
            lose(number=number)
        back()
        run()
        run()
        assert ReconciledDay.objects.get(day=day_of()).ids_equal == 0
        assert proof_now().ids.equal == 5

    def test_ids_that_a_person_typed_prove_nothing(self, lose, back, run, elevate):
        from elevate_integration.staff import mark_registered

        row = lose()
        mark_registered(row.pk, str(elevate.registrations[-1].registration_id), actor="tina")
        back()
        run()
        assert (proof_now().ids.equal, differences()) == (0, [])

    def test_a_user_id_that_differs_is_a_doubt_of_its_own(self, proved, enrol, back, run, elevate):
        row = enrol(first=10)[0]
        back()
        elevate.change_registration(int(row.registration_id), remote_user_id="X-1")
        run()
        proof = proof_now()
        assert (proof.ids.proved, proof.members.proved) == (True, False)
        assert f"registration {row.pk}" in proof.members.doubt

    def test_what_is_proved_about_one_site_says_nothing_about_another(self, proved, settings):
        settings.ELEVATE = {**settings.ELEVATE, "URL": "https://other.example.org"}
        assert not proof_now().ids.proved


class TestForgottenLearners:
    def test_one_whose_address_was_forgotten_with_time_is_still_recognised(self, enrol, back, run):
        from elevate_integration.stand_in import stand_in

        enrol()
        back()
        Registration.objects.update(
            email="", email_key=stand_in("m1@example.org"), forgotten_at=timezone.now()
        )
        Attempt.objects.update(sent={})
        run()
        assert differences() == []

    def test_one_who_was_erased_does_not_come_back_from_the_report(self, enrol, back, run):
        from elevate_integration.forgetting import erase

        enrol()
        back()
        erase(member="M-1")
        assert not Registration.objects.get().remote_user_id
        run()
        assert differences() == []
