"""A registration's whole life, failures included, leaves nothing of anybody in the log, the metrics or the spans."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.delivery import settling
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Registration
from elevate_integration.sync import sync_order
from elevate_integration.testing import FakeElevate
from tests.watching.conftest import Notes

PERSON = {
    "person_id": "M-PRIVATE-1",
    "first_name": "Adelheid",
    "last_name": "Quartz",
    "email": "a.q@private.example",
}
SECRETS = (*PERSON.values(), "treasurer@office.example", "test-key")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def repeats_are_far_off(elevate: FakeElevate, settings: Any) -> None:
    """What fails for a while is repeated when a test says so, not without end."""
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 600.0, "RETRY_CEILING": 600.0}


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that is logged, by anybody, as finely as it goes."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="elevate_integration")
    return caplog


def everything(caplog: pytest.LogCaptureFixture) -> str:
    """Give all records as a handler could write them: text, traceback and every attribute."""
    told = [f"{record.getMessage()} {sorted(vars(record).items(), key=str)}" for record in caplog.records]
    return "\n".join([caplog.text, *told])


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if hasattr(record, "event")]


def everything_is_due() -> None:
    Registration.objects.exclude(due_at=None).update(due_at=timezone.now())


def test_a_life_from_sale_to_refund(sell, deliver, records, notes: Notes):
    invoice = sell("ETHICS", **PERSON)
    deliver()
    assert Registration.objects.get().status == "registered"
    invoice.state = "refunded"
    invoice.save()
    deliver()
    everything_is_due()
    deliver()
    assert Registration.objects.get().status == "cancelled"
    assert {"elevate.registration.registered", "elevate.registration.cancelled", "elevate.call.ended"} <= set(
        events(records)
    )
    assert_clean(records, notes)


FAULTS: dict[str, dict[str, Any]] = {
    "refuse": {"message": "a.q@private.example is in use by Adelheid Quartz (M-PRIVATE-1)"},
    "echo_key": {},
    "html": {},
    "status": {"status": 500, "body": "Adelheid Quartz, a.q@private.example"},
    "store_then_status": {"status": 429, "body": "Adelheid Quartz", "headers": {"Retry-After": "1"}},
    "close_half": {},
    "garbage": {},
    "no_id": {},
    "reset_before_reading": {},
    "reset_after_storing": {},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_fails(fault, sell, deliver, elevate: FakeElevate, records, notes):
    elevate.fail(fault, times=None, **FAULTS[fault])
    sell("ETHICS", **PERSON)
    deliver()
    everything_is_due()
    deliver()
    assert "elevate.call.ended" in events(records)
    assert_clean(records, notes)


def test_elevates_words_about_a_key_shut_the_gate_and_are_not_logged(sell, deliver, elevate, records, notes):
    elevate.fail(
        "status", times=None, status=401, body='{"error_messages": {"api_key": "a.q@private.example"}}'
    )
    sell("ETHICS", **PERSON)
    deliver()
    assert "elevate.delivery.waits" in events(records)
    assert_clean(records, notes)


def raising(text: str) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(text)

    return fail


def test_a_source_that_raises_with_what_it_read(sell, plainshop, deliver, monkeypatch, records, notes):
    sell("ETHICS", **PERSON)
    monkeypatch.setattr(plainshop, "snapshot", raising("no account for a.q@private.example"))
    monkeypatch.setattr(plainshop, "recent", raising("Adelheid Quartz"))
    Worker(threads=1).run_once()
    assert {"elevate.order.not_synced", "elevate.source.failed"} <= set(events(records))
    assert_clean(records, notes)


def test_a_payload_that_raises_with_the_learner(sell, deliver, settings, records, notes):
    settings.ELEVATE = {**settings.ELEVATE, "PAYLOAD": raising("Adelheid Quartz")}
    sell("ETHICS", **PERSON)
    deliver()
    assert "elevate.call.not_prepared" in events(records)
    assert_clean(records, notes)


def test_a_signal_that_cannot_be_read_and_a_mark_that_cannot_be_written(sell, monkeypatch, records, notes):
    monkeypatch.setattr("elevate_integration.marks._mark", raising("Adelheid Quartz"))
    sell("ETHICS", **PERSON)
    assert "elevate.order.not_marked" in events(records)
    assert_clean(records, notes)


def test_answers_that_the_database_refuses(sell, deliver, monkeypatch, records, notes):
    real = settling.attempt_of

    def refuse(row: Registration, result: settling.Result) -> Any:
        if result.sent:
            raise ValueError(f"cannot adapt {result.sent}")
        return real(row, result)

    monkeypatch.setattr(settling, "attempt_of", refuse)
    sell("ETHICS", **PERSON)
    deliver()
    assert {"elevate.answers.apart", "elevate.answer.unwritable"} <= set(events(records))
    assert_clean(records, notes)


def test_acts_of_staff_name_nobody(sell, deliver, records, notes):
    office = "treasurer@office.example"
    sell("ETHICS", **PERSON)
    staff.pause(actor=office)
    staff.resume(actor=office)
    deliver()
    row = Registration.objects.get()
    staff.cancel([row.pk], actor=office)
    deliver()
    sync_order(row.order_ref, trigger="staff", actor=office)
    assert {"elevate.delivery.paused", "elevate.delivery.resumed"} <= set(events(records))
    assert_clean(records, notes)


def assert_clean(caplog: pytest.LogCaptureFixture, notes: Notes) -> None:
    told = everything(caplog) + repr(notes.steps) + repr(notes.told)
    assert len(notes.steps) > 0
    assert [secret for secret in SECRETS if secret in told] == []
