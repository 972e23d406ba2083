"""What is sent to Elevate: the vendor's fields, the amounts, the address, and nothing that a caller may not ask for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from elevate_integration.elevate.payloads import CancelRequest, RegisterRequest, amount_text, normalise_url

from .conftest import ASK


def test_a_register_request_gives_the_vendors_fields_without_the_key() -> None:
    assert ASK.fields() == {
        "remote_user_id": "member-7",
        "firstname": "Adalind",
        "lastname": "Quxworth",
        "email": "adalind@quxworth.example",
        "remote_product_id": "ABCD1234",
        "amount_paid": "0.00",
    }


@pytest.mark.parametrize("choice", [True, False])
def test_send_email_is_sent_only_when_it_is_decided(choice: bool) -> None:
    assert "send_email" not in ASK.fields()
    assert replace(ASK, send_email=choice).fields()["send_email"] is choice


def test_extra_fields_are_merged_and_never_bring_a_key() -> None:
    fields = replace(
        ASK, extra={"explanation": "by the shop", "email": "x@y.example", "api_key": "theirs"}
    ).fields()
    assert (fields["explanation"], fields["email"]) == ("by the shop", "x@y.example")
    assert "api_key" not in fields


@pytest.mark.parametrize(
    ("text", "is_number", "sent"),
    [
        ("583919", True, 583919),
        ("583919", False, "583919"),
        ("a-1", True, "a-1"),
        ("²", True, "²"),
        ("", True, ""),
    ],
)
def test_a_registration_id_goes_back_in_the_type_in_which_it_came(
    text: str, is_number: bool, sent: Any
) -> None:
    fields = CancelRequest(text, is_number).fields()
    assert fields["registration_id"] == sent
    assert type(fields["registration_id"]) is type(sent)


def test_a_cancel_request_gives_the_vendors_fields_without_the_key() -> None:
    fields = {
        "registration_id": 1,
        "cancellations_email": "",
        "cancellation_explanation": "",
        "notify_cancelled_user": False,
        "cancellation_explanation_for_user": "",
    }
    assert CancelRequest("1").fields() == fields
    told = {
        "cancellations_email": "a@b.example",
        "cancellation_explanation": "He asked for it.",
        "notify_cancelled_user": True,
        "cancellation_explanation_for_user": "You asked for it.",
    }
    assert CancelRequest("1", **told).fields() == {**fields, **told}


def test_requests_show_no_personal_data() -> None:
    shown = repr(replace(ASK, extra={"badge": "Adalind"}))
    assert "Adalind" not in shown
    assert "quxworth" not in shown.lower()
    assert "member-7" in shown
    cancel = CancelRequest(
        "1",
        cancellations_email="adalind@b.example",
        cancellation_explanation="Adalind asked for it.",
        cancellation_explanation_for_user="Dear Adalind",
    )
    assert "adalind" not in repr(cancel).lower()


def test_a_register_request_has_its_own_extra() -> None:
    assert RegisterRequest("u", "f", "l", "e", "p", "0.00").extra == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0.00"), ("1E+3", "1000.00"), ("12.5", "12.50"), ("1234567.89", "1234567.89"), ("0E-9", "0.00")],
)
def test_an_amount_is_written_with_two_decimals(value: str, text: str) -> None:
    assert amount_text(Decimal(value)) == text


@pytest.mark.parametrize(
    ("pasted", "base", "stripped"),
    [
        ("https://demo.example", "https://demo.example", ""),
        ("https://demo.example/", "https://demo.example", ""),
        (" https://demo.example//\n", "https://demo.example", ""),
        ("https://demo.example/api/reports", "https://demo.example", "/api/reports"),
        ("https://demo.example/api/reports/?a=1#x", "https://demo.example", "/api/reports"),
        ("https://demo.example/api/registrations", "https://demo.example", "/api/registrations"),
        ("https://demo.example/registrations/cancel", "https://demo.example", "/registrations/cancel"),
        ("https://demo.example?a=1", "https://demo.example", ""),
        ("HTTPS://Demo.Example:8443/X", "https://demo.example:8443", "/X"),
        ("https://user:pass@demo.example/", "https://demo.example", ""),
        ("demo.example/api", "https://demo.example", "/api"),
        ("X.Example", "https://x.example", ""),
        ("//demo.example", "https://demo.example", ""),
        ("http://[::1]:8000/", "http://[::1]:8000", ""),
        ("", "", ""),
        ("ftp://demo.example/x", "ftp://demo.example/x", ""),
        ("https://", "https://", ""),
        ("https://demo.example:port", "https://demo.example:port", ""),
        ("https://[", "https://[", ""),
        ("not an address", "not an address", ""),
    ],
)
def test_a_pasted_address_is_reduced_to_the_site(pasted: str, base: str, stripped: str) -> None:
    assert normalise_url(pasted) == (base, stripped)
    assert normalise_url(base) == (base, "")
