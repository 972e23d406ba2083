"""A run over days: what is told, what is settled, what it leaves alone. The fake Elevate over HTTP, the real database."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from elevate_integration import signals
from elevate_integration.models import Attempt, DeliveryState, OrderMark, ProductMapping, Registration
from elevate_integration.reconcile.proof import begin_anew, proof_now
from elevate_integration.reconciled import Discrepancy, ReconciledDay, ReportState
from tests.reconcile.conftest import REPORTS, day_of, differences, reports

pytestmark = pytest.mark.django_db(transaction=True)


def posts(elevate):
    """Calls that would change something at Elevate."""
    return [path for path, _ in elevate.calls if path != REPORTS]


def test_a_day_on_which_everything_is_equal(enrol, back, run, elevate):
    enrol(3)
    back()
    before = posts(elevate)
    done = run()
    assert done.is_complete
    assert [(one.day, one.there, one.settled, one.differences) for one in done.days] == [(day_of(), 3, 0, 0)]
    day = ReconciledDay.objects.get()
    assert (day.state, day.whole, day.here, day.there, day.others, day.message) == ("read", True, 3, 3, 0, "")
    assert (day.ids_equal, day.ids_differ, day.members_equal, day.members_differ) == (3, 0, 3, 0)
    assert not Discrepancy.objects.exists()
    assert posts(elevate) == before


def test_a_day_is_asked_for_with_the_days_beside_it_and_politely(enrol, back, run, elevate, waits, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_PAUSE": 4.0}
    enrol()
    back()
    run(day_of(), day_of(4))
    assert reports(elevate) == [(f"{day_of(n)} 00:00:00", f"{day_of(n)} 23:59:59") for n in (6, 5, 4, 3)]
    assert waits == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York", "Etc/GMT+12"])
def test_the_time_zone_of_the_site_does_not_matter(enrol, back, run, elevate, zone):
    elevate.reports.zone = ZoneInfo(zone)
    rows = enrol(2)
    back()
    run(day_of(6), day_of(5), day_of(4))
    assert differences() == []
    assert sum(ReconciledDay.objects.values_list("there", flat=True)) == 2
    elevate.change_registration(int(rows[0].registration_id), hidden=True)
    run(day_of(6), day_of(5), day_of(4))
    assert differences() == ["only_here"]


def test_fields_may_come_flat_or_under_other_names(enrol, back, run, elevate, settings):
    elevate.reports.flat = True
    elevate.reports.fields["user.external_id"] = elevate.reports.fields.pop("user.member_id")
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_FIELDS": {"user_id": "user.external_id", "price": ""}}
    enrol()
    back()
    assert run().is_complete
    assert (differences(), ReconciledDay.objects.get().members_equal) == ([], 1)


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


def test_nothing_is_ever_registered_or_cancelled(proved, enrol, lose, back, run, elevate):
    enrol(3, first=10)
    lose()
    lose(number=2, stored=False)
    elevate.add_registration("ABCD1234", email="walk.in@example.org")
    elevate.change_registration(elevate.registrations[-4].registration_id, hidden=True)
    back()
    before, held = posts(elevate), len(elevate.live())
    run(day_of(6), day_of(5), day_of(4))
    assert differences()
    assert (posts(elevate), len(elevate.live())) == (before, held)


def test_a_dry_run_writes_nothing(proved, lose, back, run):
    row = lose()
    lose(number=2, stored=False)
    back()
    days = list(ReconciledDay.objects.values())
    done = run(dry_run=True)
    assert (done.days[0].settled, done.days[0].differences) == (1, 1)
    row.refresh_from_db()
    assert (row.status, Discrepancy.objects.count()) == ("unconfirmed", 0)
    assert list(ReconciledDay.objects.values()) == days
    assert ReportState.objects.get().lease_token is None


def test_a_host_without_time_zones_compares_the_same(enrol, back, run, elevate, settings):
    settings.USE_TZ = False
    row = enrol(2)[0]
    back()
    elevate.change_registration(int(row.registration_id), hidden=True)
    run()
    assert differences() == ["only_here"]
    assert ReconciledDay.objects.get().here == 2


def test_a_repeat_that_was_due_does_not_go_out_any_more(proved, sell, deliver, back, run, elevate, settings):
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 3600.0, "RETRY_CEILING": 3600.0}
    elevate.fail("reset_after_storing")
    invoice = sell(person_id="M-1", email="m1@example.org")
    deliver()
    row = Registration.objects.get(order_ref=str(invoice.pk))
    assert (row.status, row.obstacle) == ("unconfirmed", "")
    back()
    Registration.objects.filter(pk=row.pk).update(due_at=timezone.now())
    before = posts(elevate)
    assert run().days[0].settled == 1
    deliver()
    assert posts(elevate) == before
    assert len([held for held in elevate.live() if held.remote_user_id == "M-1"]) == 1


def test_a_late_answer_after_it_was_settled_adds_nothing(proved, lose, back, run, elevate):
    from elevate_integration.delivery.outcomes import Claimed, Result
    from elevate_integration.delivery.queue import settle_all
    from elevate_integration.lifecycle import Operation, Outcome

    row = lose()
    back()
    run()
    row.refresh_from_db()
    late = Result(
        Claimed(row, Operation.REGISTER, row.attempts.last().claim_token),
        Outcome.DONE,
        registration_id=row.registration_id,
        product_url=elevate.product_url("ABCD1234"),
    )
    settle_all([late])
    row.refresh_from_db()
    assert (row.status, row.duplicates) == ("registered", [])


def test_a_busy_day_costs_queries_by_the_hundred_and_not_by_the_line(
    proved, enrol, back, run, elevate, django_assert_max_num_queries
):
    enrol(40, first=100)
    for number in range(200):
        elevate.add_registration(
            "ABCD1234", email=f"walk.in{number}@example.org", remote_user_id=f"W-{number}"
        )
    back()
    with django_assert_max_num_queries(60):
        assert run().days[0].there == 240
    with django_assert_max_num_queries(260):
        assert run().days[0].differences == 200
