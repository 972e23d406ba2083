"""`elevate_doctor`: what it finds, what it shows of one member or order, and what it never shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.doctor import database
from elevate_integration.models import DeliveryState, ProductMapping, Registration
from elevate_integration.orders.source import Learner
from example_project.members.models import Member
from tests.management.findings import findings_of
from tests.plainshop.models import Invoice
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def doctor():
    def run(*args: str, **options: Any) -> str:
        out = StringIO()
        try:
            call_command("elevate_doctor", *args, stdout=out, no_color=True, **options)
        except CommandError as error:
            out.write(f"FAILED: {error}")
        return out.getvalue()

    return run


@pytest.fixture
def member(transactional_db) -> Member:
    return Member.objects.create_user(
        email="ada@example.org",
        password="not-shown",
        first_name="Ada",
        last_name="Sample",
        member_number="M-77",
    )


@pytest.fixture
def knows_members(monkeypatch):
    monkeypatch.setattr(
        PlainSource,
        "learner_for",
        lambda self, user: Learner(user.member_number, user.first_name, user.last_name, user.email),
    )


def test_a_healthy_installation_has_nothing_to_mend(doctor, sell, deliver, alive):
    sell("ETHICS")
    deliver()
    told = doctor()
    assert "FAILED" not in told
    assert "The tables are up to date" in told
    assert "PlainSource can be read" in told
    assert "products are mapped" in told
    assert "last sign of life" in told


def test_each_wrong_setting_is_told_with_its_id_and_the_mend(doctor, settings, alive, plainshop):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": "", "URL": ""}
    told = doctor()
    assert "elevate.E005" in told
    assert "elevate.E002" in told
    assert 'Set ELEVATE["URL"]' in told
    assert "FAILED: 3 errors" in told


def test_an_order_source_that_raises_is_a_finding_and_not_a_traceback(doctor, sell, alive, monkeypatch):
    sell()

    def fail(self, ref):
        raise ZeroDivisionError("the store is broken")

    monkeypatch.setattr(PlainSource, "snapshot", fail)
    told = doctor()
    assert "ZeroDivisionError: the store is broken" in told
    assert "FAILED: 1 error and" in told


def test_delivery_that_stands_still_is_told(doctor, sell, plainshop):
    sell()
    told = doctor()
    assert "Nothing has delivered yet" in told
    assert "elevate_worker" in told


def test_a_pause_a_shut_gate_and_an_alarm_are_told(doctor, alive, plainshop):
    staff.pause(actor="the office")
    DeliveryState.objects.update(gate="key", gate_message="The key is wrong.", alarm="Too many cancels.")
    told = doctor()
    assert "Delivery is paused by the office." in told
    assert "The key is wrong." in told
    assert "Too many cancels." in told


def test_products_that_nobody_mapped_are_told(doctor, sell, deliver, alive):
    sell("BOOK")
    deliver()
    told = doctor()
    assert "1 seat was sold of products that nobody has mapped: BOOK (course:BOOK, 1)." in told
    assert "[products.unmapped]" in told


def test_it_connects_without_the_key_and_tells_what_answered(doctor, sell, alive, elevate):
    told = doctor()
    assert f"{elevate.url} answers (HTTP " in told
    assert elevate.calls == []


def test_a_site_that_does_not_answer_is_told(doctor, alive, settings, plainshop):
    settings.ELEVATE = {**settings.ELEVATE, "URL": "http://127.0.0.1:9"}
    told = doctor()
    assert "port 9, takes no connection: Connection refused" in told
    assert "FAILED" in told


@pytest.mark.parametrize("name", ["ada@example.org", "ADA@example.org", "pk"])
def test_it_shows_exactly_what_would_be_sent_for_a_member(
    doctor, member, knows_members, plainshop, settings, name
):
    mapping = ProductMapping.objects.get(remote_product_id="LAW5678")
    told = doctor("--member", str(member.pk) if name == "pk" else name, "--product", "LAW5678")
    assert "User ID at Elevate: M-77" in told
    sent = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert sent == {
        "remote_user_id": "M-77",
        "firstname": "Ada",
        "lastname": "Sample",
        "email": "ada@example.org",
        "remote_product_id": mapping.remote_product_id,
        "amount_paid": "0.00",
        "send_email": False,
    }
    assert settings.ELEVATE["API_KEY"] not in told
    assert not Registration.objects.exists()


def test_it_says_what_a_members_record_lacks(doctor, member, knows_members, plainshop):
    Member.objects.update(first_name="", last_name="")
    assert "neither a first nor a last name" in doctor("--member", "ada@example.org")


def test_a_user_that_does_not_exist_or_a_product_that_is_not_mapped_is_said(
    doctor, member, knows_members, plainshop
):
    assert "There is no such user." in doctor("--member", "nobody@example.org")
    assert "No mapping has the product key" in doctor("--member", "ada@example.org", "--product", "NOPE")


def test_a_user_who_is_no_learner_is_said(doctor, member, plainshop):
    assert "knows no learner" in doctor("--member", "ada@example.org")


def test_it_shows_an_order_as_the_store_tells_it_beside_its_registrations(doctor, sell, deliver):
    invoice: Invoice = sell("ETHICS", "BOOK")
    deliver()
    told = doctor("--order", str(invoice.pk))
    assert "paid, learner M-1" in told
    assert f"registered, registration ID {Registration.objects.get().registration_id}" in told
    assert "A sync would make 0, cancel 0, change 0 and list 0 unmapped." in told


def test_an_order_that_is_gone_is_said(doctor, plainshop):
    assert "The store has no order 4711." in doctor("--order", "4711")


def test_json_gives_each_finding_with_how_it_is_known_and_not_the_key(sell, deliver, alive, settings):
    sell("ETHICS")
    deliver()
    found = findings_of()
    assert {one["level"] for one in found.values()} == {"ok"}
    assert all(one["how"] and one["group"] for one in found.values())
    assert found["delivery.due"]["data"] == {"calls": 0, "marks": 0, "oldest_seconds": None}
    assert abs(found["database.clock"]["data"]["seconds_ahead"]) < 5
    assert settings.ELEVATE["API_KEY"] not in json.dumps(found)


def test_the_exit_status_tells_warnings_from_errors_and_can_be_told_to_leave_some_out(
    sell, deliver, alive, settings
):
    sell("BOOK")
    deliver()
    assert findings_of(status=1)["products.unmapped"]["level"] == "warning"
    findings_of("--fail-on", "error")
    assert findings_of("--ignore", "products.unmapped")["products.unmapped"]["ignored"]
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": ""}
    findings_of("--fail-on", "error", status=2)
    findings_of("--fail-on", "never")


def test_offline_connects_to_nothing(sell, deliver, alive, settings, elevate):
    sell("ETHICS")
    deliver()
    elevate.stop()
    assert not [code for code in findings_of("--offline") if code.startswith("site.")]


def test_a_certificate_that_soon_ends_or_is_not_trusted_is_told(alive, settings, plainshop):
    from elevate_integration.testing import FakeElevate

    with FakeElevate(tls=True) as fake:
        settings.ELEVATE = {**settings.ELEVATE, "URL": fake.url}
        found = findings_of(status=2)
        assert found["site.certificate"]["level"] == "error"
        assert "CA_BUNDLE" in found["site.certificate"]["mend"]
        assert "site.answer" not in found
        settings.ELEVATE = {**settings.ELEVATE, "CA_BUNDLE": fake.ca_path}
        found = findings_of("--fail-on", "never")
        assert found["site.certificate"]["level"] == "ok"
        assert found["site.certificate_expiry"]["data"]["days"] > 30
        assert fake.calls == []


@pytest.mark.parametrize(("days", "level"), [(31, "ok"), (20, "warning"), (3, "error")])
def test_the_end_of_a_certificate_warns_in_time(days, level):
    from elevate_integration.doctor.site import _expiry

    finding = _expiry(datetime.now(UTC) + timedelta(days=days, hours=1))
    assert (finding.level, finding.data["days"]) == (level, days)


def test_mappings_whose_product_is_gone_twins_and_dead_addresses_are_told(sell, deliver, alive):
    sell("ETHICS")
    deliver()
    ProductMapping.objects.create(
        product_key="course:GONE",
        remote_product_id="ABCD1234",
        remote_registration_url="https://ams.example.org/gone",
        url_checked_at=timezone.now(),
        url_problem="status:404",
    )
    found = findings_of(status=1)
    assert "course:GONE" in found["products.gone"]["text"]
    assert "ABCD1234" in found["products.twins"]["text"]
    assert "course:GONE: 404 not found" in found["products.addresses"]["text"]


def test_an_id_that_members_change_is_told_and_a_silenced_check_is_no_warning(
    sell, deliver, alive, settings, member
):
    sell("ETHICS")
    deliver()
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": "email"}
    found = findings_of(status=1)
    assert found["members.id"]["level"] == "warning"
    assert "email" in found["members.id"]["text"]
    settings.SILENCED_SYSTEM_CHECKS = ["elevate.W005"]
    assert findings_of()["members.id"]["level"] == "ok"


def test_accounts_without_an_id_and_those_that_share_one_are_counted_and_not_named(
    sell, deliver, alive, settings
):
    sell("ETHICS")
    deliver()
    for number in range(3):
        Member.objects.create_user(
            email=f"m{number}@example.org", password="x", member_number=f"M-{number}", first_name="Twin"
        )
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": "first_name"}
    found = findings_of(status=2)["members.sample"]
    assert found["data"] == {"looked_at": 3, "empty": 0, "shared": 3}
    assert "Twin" not in json.dumps(found)
    Member.objects.filter(member_number="M-0").update(first_name="Own")
    Member.objects.filter(member_number="M-1").update(first_name="")
    assert findings_of()["members.sample"]["data"] == {"looked_at": 3, "empty": 1, "shared": 0}


def test_a_clock_that_differs_is_told_with_the_seconds(sell, deliver, alive, monkeypatch):
    sell("ETHICS")
    deliver()
    monkeypatch.setattr(database, "database_now", lambda using: timezone.now() + timedelta(seconds=60))
    found = findings_of(status=1)["database.clock"]
    assert "60.0 seconds ahead" in found["text"]


def test_a_refused_key_is_told_and_a_key_that_worked_says_when(sell, deliver, alive):
    sell("ETHICS")
    assert "cannot be told" in findings_of("--fail-on", "never")["key.calls"]["text"]
    deliver()
    assert "last did what a call asked" in findings_of()["key.calls"]["text"]


def test_what_was_settled_without_a_call_tells_nothing_of_the_key(plainshop, alive):
    row = make_row(make_mapping(product_key="course:CIVICS"))
    assert staff.mark_registered(row.pk, "583919", actor="treasurer").done
    assert "cannot be told" in findings_of("--fail-on", "never")["key.calls"]["text"]


def test_member_as_json_is_exactly_the_body_without_the_key(member, knows_members, plainshop, settings):
    out = StringIO()
    call_command("elevate_doctor", "--member", "M-77", "--product", "course:LAW", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["url"].endswith("/api/registrations")
    assert told["body_without_key"]["remote_product_id"] == "LAW5678"
    assert told["problems"] == told["registrations"] == []
    assert "api_key" not in out.getvalue()
    ProductMapping.objects.update(active=False)
    out = StringIO()
    call_command("elevate_doctor", "--member", "M-77", "--product", "LAW5678", stdout=out)
    assert "The mapping is inactive" in out.getvalue()


@pytest.mark.parametrize(
    "args",
    [("--member", "nobody"), ("--member", "M-77", "--product", "NOPE"), ("--product", "LAW5678")],
)
def test_what_cannot_be_answered_has_a_status_of_its_own(member, knows_members, plainshop, args):
    with pytest.raises(CommandError) as raised:
        call_command("elevate_doctor", *args)
    assert raised.value.returncode == 3
