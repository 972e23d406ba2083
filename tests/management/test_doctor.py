"""`elevate_doctor`: what it finds, what it shows of one member or order, and what it never shows."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.models import DeliveryState, ProductMapping, Registration
from elevate_integration.orders.source import Learner
from example_project.members.models import Member
from tests.plainshop.models import Invoice
from tests.plainshop.source import PlainSource

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
def alive(elevate):
    DeliveryState.objects.update_or_create(pk=1, defaults={"heartbeat_at": timezone.now()})


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
    assert "things are wrong" in told


def test_an_order_source_that_raises_is_a_finding_and_not_a_traceback(doctor, sell, alive, monkeypatch):
    sell()

    def fail(self, ref):
        raise ZeroDivisionError("the store is broken")

    monkeypatch.setattr(PlainSource, "snapshot", fail)
    told = doctor()
    assert "ZeroDivisionError: the store is broken" in told
    assert "FAILED: 1 of" in told


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
    assert "1 seats were sold of products that nobody has mapped." in doctor()


def test_it_connects_without_the_key_and_tells_what_answered(doctor, sell, alive, elevate):
    told = doctor("--connect")
    assert f"{elevate.url} answers (HTTP " in told
    assert elevate.calls == []


def test_a_site_that_does_not_answer_is_told(doctor, alive, settings, plainshop):
    settings.ELEVATE = {**settings.ELEVATE, "URL": "http://127.0.0.1:9"}
    told = doctor("--connect")
    assert "http://127.0.0.1:9 does not answer" in told
    assert "FAILED" in told


@pytest.mark.parametrize("name", ["ada@example.org", "ADA@example.org", "pk"])
def test_it_shows_exactly_what_would_be_sent_for_a_member(
    doctor, member, knows_members, plainshop, settings, name
):
    mapping = ProductMapping.objects.get(remote_product_id="LAW5678")
    told = doctor("--user", str(member.pk) if name == "pk" else name, "--product", "LAW5678")
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
    assert "neither a first nor a last name" in doctor("--user", "ada@example.org")


def test_a_user_that_does_not_exist_or_a_product_that_is_not_mapped_is_said(
    doctor, member, knows_members, plainshop
):
    assert "There is no such user." in doctor("--user", "nobody@example.org")
    assert "No mapping has the product key" in doctor("--user", "ada@example.org", "--product", "NOPE")


def test_a_user_who_is_no_learner_is_said(doctor, member, plainshop):
    assert "knows no learner" in doctor("--user", "ada@example.org")


def test_it_shows_an_order_as_the_store_tells_it_beside_its_registrations(doctor, sell, deliver):
    invoice: Invoice = sell("ETHICS", "BOOK")
    deliver()
    told = doctor("--order", str(invoice.pk))
    assert "paid, learner M-1" in told
    assert f"registered, registration ID {Registration.objects.get().registration_id}" in told
    assert "A sync would make 0, cancel 0, change 0 and list 0 unmapped." in told


def test_an_order_that_is_gone_is_said(doctor, plainshop):
    assert "The store has no order 4711." in doctor("--order", "4711")
