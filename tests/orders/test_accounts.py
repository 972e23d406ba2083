"""Accounts as learners, and whose account an e-mail address is, for people whom a buyer named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from django.test.utils import CaptureQueriesContext

from elevate_integration.orders import accounts
from elevate_integration.orders.accounts import learner_of, users_by_email
from elevate_integration.orders.fields import FieldOrderSource
from elevate_integration.orders.source import Learner
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
        found = users_by_email({" eve@EXAMPLE.org", "joe@example.org", "nobody@example.org", ""})
    assert found == {" eve@EXAMPLE.org": eve}
    assert len(asked) == 1


def test_two_accounts_with_one_address_are_nobodys(member):
    member("EVE@example.org")
    member("eve@example.org")
    assert users_by_email(["eve@example.org"]) == {}


def test_a_deactivated_account_counts_where_it_is_asked_for(member):
    joe = member("joe@example.org", is_active=False)
    assert users_by_email(["joe@example.org"]) == {}
    assert users_by_email(["joe@example.org"], inactive=True) == {"joe@example.org": joe}


def test_what_was_typed_counts_and_the_account_fills_the_gaps(member):
    eve = member("eve@example.org")
    typed = Learner("", first_name="Evelyn", email="work@example.org")
    assert learner_of(eve, typed) == Learner(eve.member_number, "Evelyn", "S", "work@example.org")
    assert learner_of(None, typed) == typed
    assert learner_of(None) is None


def test_a_user_without_the_row_that_holds_the_id_has_none_yet(member, settings):
    def without_profile(user: Any) -> str:
        raise ObjectDoesNotExist

    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": without_profile}
    assert learner_of(member("eve@example.org")) == Learner("", "Eve", "S", "eve@example.org")


def test_a_user_model_without_an_address_has_no_accounts_to_find(member, monkeypatch):
    member("eve@example.org")
    monkeypatch.setattr(accounts, "email_field", lambda model: "postal_address")
    assert users_by_email(["eve@example.org"]) == {}


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
