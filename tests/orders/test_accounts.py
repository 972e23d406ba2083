"""Whose account an e-mail address is, for people whom a buyer named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from elevate_integration.orders import accounts
from elevate_integration.orders.accounts import active_users_by_email
from elevate_integration.orders.fields import FieldOrderSource
from example_project.members.models import Member
from example_project.store.elevate import StoreOrderSource
from tests.orders.test_fields import STORE

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Callable[..., Member]:
    def make(email: str, **fields: Any) -> Member:
        found = Member.objects.create_user(email, "x", **{"first_name": "Eve", "last_name": "S", **fields})
        # As some hosts write it.
        Member.objects.filter(pk=found.pk).update(email=email)
        return found

    return make


def test_an_address_finds_its_active_account_whatever_the_case_and_under_the_text_asked_for(member):
    eve = member("Eve@Example.org")
    member("joe@example.org", is_active=False)
    with CaptureQueriesContext(connection) as asked:
        found = active_users_by_email({" eve@EXAMPLE.org", "joe@example.org", "nobody@example.org", ""})
    assert found == {" eve@EXAMPLE.org": eve}
    assert len(asked) == 1


def test_two_accounts_with_one_address_are_nobodys(member):
    member("EVE@example.org")
    member("eve@example.org")
    assert active_users_by_email(["eve@example.org"]) == {}


def test_a_user_model_without_an_address_has_no_accounts_to_find(member, monkeypatch):
    member("eve@example.org")
    monkeypatch.setattr(accounts, "email_field", lambda model: "postal_address")
    assert active_users_by_email(["eve@example.org"]) == {}


@pytest.mark.parametrize("source", [FieldOrderSource, StoreOrderSource])
def test_a_source_gives_the_account_as_the_learner(member, settings, source):
    settings.ELEVATE = {**settings.ELEVATE, "ORDER_FIELDS": STORE}
    eve = member("eve@example.org")
    found = source().learner_by_email("eve@example.org")
    assert (found.remote_user_id, found.first_name, found.email) == (
        eve.member_number,
        "Eve",
        "eve@example.org",
    )
    assert source().learners_by_email(["eve@example.org", "nobody@example.org"]) == {"eve@example.org": found}
    assert source().learner_by_email("nobody@example.org") is None
