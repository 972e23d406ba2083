"""What is sent for a registration and for a cancel, and what happens when it cannot be built."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from elevate_integration.conf import conf
from elevate_integration.delivery import sender
from elevate_integration.delivery.outcomes import Claimed, Result
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.lifecycle import Operation, Outcome
from elevate_integration.models import ProductMapping, Registration


@pytest.fixture
def row(settings: Any) -> Registration:
    settings.ELEVATE = {**settings.ELEVATE, "URL": "https://demo.example"}
    return Registration(
        pk=1,
        order_ref="7",
        mapping=ProductMapping(product_key="x", remote_product_id="ABCD1234"),
        remote_product_id="ABCD1234",
        remote_user_id="M-1",
        firstname="Ada",
        lastname="",
        email="ada@example.org",
        amount_paid=Decimal("120.00"),
        registration_id="583919",
        site="https://demo.example",
    )


def set_elevate(settings: Any, **changes: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, **changes}


def test_a_registration_sends_what_the_vendors_page_asks_for(row):
    assert sender.register_request(row, conf()).fields() == {
        "remote_user_id": "M-1",
        "firstname": "Ada",
        "lastname": "",
        "email": "ada@example.org",
        "remote_product_id": "ABCD1234",
        "amount_paid": "120.00",
        "send_email": False,
    }


def test_amounts_may_be_kept_from_elevate(row, settings):
    set_elevate(settings, SEND_AMOUNTS=False)
    assert sender.register_request(row, conf()).amount_paid == "0.00"


def test_an_empty_name_may_be_replaced(row, settings):
    set_elevate(settings, NAME_PLACEHOLDER="-")
    assert sender.register_request(row, conf()).lastname == "-"


@pytest.mark.parametrize(
    ("setting", "mapping", "sent"), [(True, None, True), (True, False, False), (False, True, True)]
)
def test_a_mapping_overrides_whether_elevate_mails_the_learner(row, settings, setting, mapping, sent):
    set_elevate(settings, SEND_EMAIL=setting)
    row.mapping.send_email = mapping
    assert sender.register_request(row, conf()).send_email is sent


def test_the_host_may_add_fields_but_not_the_key(row, settings):
    set_elevate(
        settings, PAYLOAD=lambda registration: {"explanation": registration.order_ref, "api_key": "stolen"}
    )
    fields = sender.register_request(row, conf()).fields()
    assert fields["explanation"] == "7"
    assert "stolen" not in fields.values()


def test_an_automatic_cancel_takes_its_texts_from_text_template_and_callable(row, settings):
    set_elevate(
        settings,
        CANCELLATIONS_EMAIL="office@example.org",
        CANCELLATION_EXPLANATION="Order {{ registration.order_ref }} & more",
        CANCELLATION_EXPLANATION_FOR_USER=lambda registration: f"Bye {registration.firstname}",
        NOTIFY_CANCELLED_USER=lambda registration: registration.firstname == "Ada",
    )
    assert sender.cancel_request(row, conf()).fields() == {
        "registration_id": 583919,
        "cancellations_email": "office@example.org",
        "cancellation_explanation": "Order 7 & more",
        "cancellation_explanation_for_user": "Bye Ada",
        "notify_cancelled_user": True,
    }


def test_what_staff_typed_wins_and_what_they_left_empty_comes_from_the_settings(row, settings):
    set_elevate(settings, CANCELLATIONS_EMAIL="office@example.org", NOTIFY_CANCELLED_USER=True)
    row.cancel_details = {"explanation": "asked by phone", "notify": False}
    fields = sender.cancel_request(row, conf()).fields()
    assert fields["cancellation_explanation"] == "asked by phone"
    assert fields["cancellations_email"] == "office@example.org"
    assert fields["notify_cancelled_user"] is False


def test_a_callable_of_the_host_that_raises_is_recorded_and_tried_again(row, settings):
    def broken(registration: Registration) -> dict[str, Any]:
        raise KeyError("membership")

    set_elevate(settings, PAYLOAD=broken)
    result = sender.prepare(Claimed(row, Operation.REGISTER, None))
    assert isinstance(result, Result)
    assert result.outcome is Outcome.NOT_SENT
    assert "PAYLOAD" in result.note
    assert not result.called


def test_a_further_field_that_cannot_even_be_written_down_is_refused_and_ends_no_thread(row, settings):
    class Odd:
        def __str__(self) -> str:
            raise ZeroDivisionError

    set_elevate(settings, PAYLOAD=lambda registration: {"odd": Odd()})
    request = sender.register_request(row, conf())
    result = sender.send(sender.make_client(), Claimed(row, Operation.REGISTER, None), request)
    assert result.outcome is Outcome.REFUSED
    assert result.sent["odd"] == "Odd"


def test_a_registration_of_another_elevate_site_is_not_cancelled_at_this_one(row):
    row.site = "https://old.example"
    result = sender.prepare(Claimed(row, Operation.CANCEL, None))
    assert isinstance(result, Result)
    assert result.outcome is Outcome.REFUSED
    assert "https://old.example" in result.note


def test_what_nobody_foresaw_counts_as_unknown(row, monkeypatch):
    def broken(self: ElevateClient, request: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ElevateClient, "registering", broken)
    claimed = Claimed(row, Operation.REGISTER, None)
    result = sender.send(sender.make_client(), claimed, sender.register_request(row, conf()))
    assert result.outcome is Outcome.UNKNOWN
    assert "ZeroDivisionError" in result.note


def test_nothing_that_is_kept_or_shown_holds_the_key(row):
    claimed = Claimed(row, Operation.REGISTER, None)
    request = sender.register_request(row, conf())
    result = Result(claimed, Outcome.DONE, sent=request.fields())
    assert conf().api_key not in repr((request, result, result.sent, conf()))
