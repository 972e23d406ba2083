"""What is asked of the Report API, and how a site spells it. No HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from elevate_integration.elevate.reports import ReportFields, ReportRequest

SINCE = datetime(2025, 1, 1)  # noqa: DTZ001 - the site's wall clock
UNTIL = datetime(2025, 1, 1, 23, 59, 59, 999_999)  # noqa: DTZ001


def test_a_request_gives_the_vendors_question_without_the_key() -> None:
    assert ReportRequest(SINCE, UNTIL).fields() == {
        "format": "json",
        "labels": False,
        "resource": "productRegistration",
        "fields": {
            "id": True,
            "transaction_at": True,
            "price_after_discount": True,
            "user": {"email": True, "member_id": True},
            "product": {"remote_product_id": True, "title": True},
        },
        "filters": {"transaction_at": {">=": "2025-01-01 00:00:00", "<=": "2025-01-01 23:59:59"}},
    }


def test_a_field_is_asked_for_by_the_name_of_the_site_and_one_without_a_name_is_not() -> None:
    names = ReportFields.from_mapping(
        {"transaction_at": " order.paid_at ", "price": "", "user_id": "user.profile.number", "email": ""}
    )
    question = ReportRequest(SINCE, SINCE, names).fields()
    assert question["fields"] == {
        "id": True,
        "order": {"paid_at": True},
        "user": {"profile": {"number": True}},
        "product": {"remote_product_id": True, "title": True},
    }
    assert list(question["filters"]) == ["order.paid_at"]


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [
        (SINCE.replace(tzinfo=UTC), UNTIL, "without a zone"),
        (SINCE, UNTIL.replace(tzinfo=UTC), "without a zone"),
        (UNTIL, SINCE, "cannot end before it begins"),
    ],
)
def test_a_request_for_a_time_that_makes_no_sense_is_not_made(
    since: datetime, until: datetime, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        ReportRequest(since, until)


@pytest.mark.parametrize(
    ("names", "kind", "text"),
    [
        ({"member_id": "x"}, ValueError, "no field that is compared"),
        ({"userid": "x"}, ValueError, "did you mean 'user_id'"),
        ({"EMAIL": "x"}, ValueError, "did you mean 'email'"),
        ({7: "x"}, ValueError, "known are id, transaction_at"),
        ({"price": None}, TypeError, "'' when the site has none"),
        ({"price": 7}, TypeError, "as text"),
        (["id"], TypeError, "a dict is needed"),
        ({"transaction_at": ""}, ValueError, "cannot be empty"),
        ({"product_id": " "}, ValueError, "cannot be empty"),
        ({"id": "", "user_id": "", "email": ""}, ValueError, "one of id, user_id and email"),
        ({"price": "transaction_at"}, ValueError, "named twice"),
        ({"price": "user"}, ValueError, "both a field and a relation"),
        ({"price": "price after"}, ValueError, "such as 'price_after_discount'"),
        ({"price": "user..name"}, ValueError, "such as"),
        ({"price": ".name"}, ValueError, "such as"),
        ({"price": "prïce"}, ValueError, "such as"),
        ({"price": "x" * 101}, ValueError, "such as"),
        ({"price": 'x"'}, ValueError, "such as"),
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_said(names: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        ReportFields.from_mapping(names)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("user.member_id", "user_id"),
        ("User.Member_ID", "user_id"),
        ("member_id", "user_id"),
        ("transaction_at", "transaction_at"),
        ("id", "id"),
        ("product.id", ""),
        ("modified_at", ""),
        ("", ""),
    ],
)
def test_a_name_as_elevate_writes_it_leads_to_its_key(name: str, key: str) -> None:
    assert ReportFields().key_of(name) == key


def test_a_last_part_that_two_fields_share_leads_to_neither() -> None:
    names = ReportFields(id="", user_id="user.code", product_id="product.code")
    assert names.key_of("code") == ""
    assert names.key_of("product.code") == "product_id"
