"""What a host can rely on when it listens: `docs/signals.md` in tests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from elevate_integration import signals, staff
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.sync import sync_order
from elevate_integration.testing import FakeElevate
from tests.plainshop.models import Invoice
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db(transaction=True)

Sell = Callable[..., Invoice]
Deliver = Callable[[], int]


@pytest.fixture
def told() -> Iterator[list[tuple[str, dict[str, Any], bool]]]:
    """What was told: the signal's name, its arguments, and whether a transaction was open."""
    heard: list[tuple[str, dict[str, Any], bool]] = []
    names = ("registered", "refused", "cancelled")
    ears = {}
    for name in names:

        def hear(name: str = name, **arguments: Any) -> None:
            heard.append((name, arguments, connection.in_atomic_block))

        ears[name] = hear
        getattr(signals, name).connect(hear)
    yield heard
    for name in names:
        getattr(signals, name).disconnect(ears[name])


def names(told: list[Any]) -> list[str]:
    return [name for name, _, _ in told]


def test_each_change_is_told_once_after_the_commit_with_the_row(
    sell: Sell, deliver: Deliver, told: list[Any]
) -> None:
    invoice = sell("ETHICS")
    deliver()
    invoice.state = "refunded"
    invoice.save()
    deliver()
    deliver()
    row = Registration.objects.get()
    assert names(told) == ["registered", "cancelled"]
    for _, arguments, open_transaction in told:
        assert arguments.keys() == {"signal", "sender", "registration"}
        assert arguments["sender"] is Registration
        assert arguments["registration"].pk == row.pk
        assert not open_transaction
    assert told[0][1]["registration"].product_url.startswith("http")


def test_what_a_receiver_reads_is_committed(sell: Sell, deliver: Deliver) -> None:
    statuses: list[str] = []

    def read(registration: Registration, **_: Any) -> None:
        statuses.append(Registration.objects.get(pk=registration.pk).status)

    signals.registered.connect(read)
    try:
        sell("ETHICS", "LAW")
        deliver()
    finally:
        signals.registered.disconnect(read)
    assert statuses == ["registered", "registered"]


def test_a_refusal_is_told_again_when_a_retry_is_refused(
    sell: Sell, deliver: Deliver, elevate: FakeElevate, told: list[Any]
) -> None:
    elevate.products.pop("ABCD1234")
    sell("ETHICS")
    deliver()
    deliver()
    assert names(told) == ["refused"]
    assert told[0][1]["registration"].error_messages
    staff.retry([Registration.objects.get().pk], actor="ann")
    deliver()
    assert names(told) == ["refused", "refused"]


def test_what_fails_for_a_while_or_is_in_doubt_is_not_told(
    sell: Sell, deliver: Deliver, elevate: FakeElevate, settings: Any, told: list[Any]
) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    elevate.fail("reset_after_storing")
    sell("ETHICS")
    deliver()
    assert Registration.objects.get().status == "unconfirmed"
    assert told == []


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug of the host"), LookupError(), Registration.DoesNotExist()]
)
def test_a_receiver_that_raises_is_logged_and_disturbs_nobody(
    sell: Sell, deliver: Deliver, told: list[Any], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(**_: Any) -> None:
        raise error

    signals.registered.connect(fail)
    try:
        sell("ETHICS", "LAW")
        with caplog.at_level(logging.ERROR, logger="django.dispatch"):
            assert deliver() == 2
    finally:
        signals.registered.disconnect(fail)
    assert set(Registration.objects.values_list("status", flat=True)) == {"registered"}
    assert names(told) == ["registered", "registered"], "the other receivers heard it all the same"
    records = [record for record in caplog.records if record.name == "django.dispatch"]
    assert len(records) == 2
    assert all("fail" in record.getMessage() and record.exc_info for record in records)


@pytest.fixture
def mapping(settings: Any) -> ProductMapping:
    settings.ELEVATE = {**settings.ELEVATE, "ORDER_SOURCE": "tests.plainshop.source.PlainSource"}
    return make_mapping()


def test_what_staff_found_at_elevate_is_told_as_registered_since_the_course_is_open(
    mapping: ProductMapping, told: list[Any]
) -> None:
    row = make_row(mapping, at_elevate="maybe", obstacle="doubt")
    staff.mark_registered(row.pk, "583919", "https://elevate.example/p", actor="ann")
    ((name, arguments, open_transaction),) = told
    assert (name, open_transaction) == ("registered", False)
    assert (arguments["registration"].trigger, arguments["registration"].actor) == ("staff", "ann")


def test_what_staff_found_of_a_seat_that_is_given_up_is_not_told_as_registered(
    mapping: ProductMapping, told: list[Any]
) -> None:
    row = make_row(mapping, wanted=False, at_elevate="maybe", obstacle="doubt", confirmed=True)
    assert staff.mark_registered(row.pk, "583919", actor="ann").done
    assert told == []


def test_what_staff_saw_gone_is_told_as_cancelled(mapping: ProductMapping, told: list[Any]) -> None:
    row = make_row(mapping, wanted=False, at_elevate="present", obstacle="cancel_refused")
    staff.mark_cancelled([row.pk], actor="ann")
    assert names(told) == ["cancelled"]


def test_what_elevate_never_knew_is_withdrawn_without_a_word(
    sell: Sell, deliver: Deliver, told: list[Any]
) -> None:
    invoice = sell("ETHICS")
    sync_order(invoice.pk)
    invoice.state = "refunded"
    invoice.save()
    deliver()
    assert Registration.objects.get().status == "withdrawn"
    assert told == []
