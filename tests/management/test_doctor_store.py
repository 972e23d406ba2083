"""What the doctor says of the host's side: its store, its accounts, its products, and one member of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

from elevate_integration.doctor import (
    Finding,
    find_user,
    look_at_members,
    look_at_products,
    look_at_store,
    would_send,
)
from elevate_integration.doctor import products as products_room
from elevate_integration.models import ProductMapping
from elevate_integration.orders.source import Learner, Product
from example_project.members.models import Member
from tests.management.findings import findings_of
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping

pytestmark = pytest.mark.django_db(transaction=True)


def by_code(found: Any) -> dict[str, Finding]:
    return {one.code: one for one in found}


def away(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("the shop is away")


@pytest.fixture
def without_source(settings: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "ORDER_SOURCE": "tests.plainshop.nowhere.Source"}


def make_member(number: str, **fields: Any) -> Member:
    start = {"first_name": "Ada", "last_name": "Sample", "email": f"{number}@example.org"}
    return Member.objects.create_user(**{**start, **fields}, password="x", member_number=number)


def test_a_source_that_cannot_be_made_is_told(without_source):
    (finding,) = look_at_store()
    assert (finding.code, finding.level) == ("store.order", "error")
    assert "tests.plainshop.nowhere.Source" in finding.text
    assert "ORDER_SOURCE" in finding.mend


def test_a_source_that_cannot_list_orders_is_told(plainshop, monkeypatch):
    monkeypatch.setattr(PlainSource, "recent", away)
    (finding,) = look_at_store()
    assert (finding.level, finding.how) == ("error", "`recent` was called.")
    assert "RuntimeError: the shop is away" in finding.text


def test_a_store_without_orders_is_doubted_and_an_order_that_is_gone_is_told_as_such(plainshop, monkeypatch):
    (finding,) = look_at_store()
    assert (finding.level, finding.text) == ("warning", "PlainSource lists no order.")
    monkeypatch.setattr(PlainSource, "recent", lambda self, since: iter(["4711"]))
    (finding,) = look_at_store()
    assert (finding.level, finding.text) == (
        "ok",
        "PlainSource can be read; the first order it lists, 4711, has gone.",
    )


def test_an_id_that_a_function_gives_cannot_be_judged(plainshop, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": lambda user: user.member_number}
    found = by_code(look_at_members())
    assert found["members.id"].level == "ok"
    assert "A function of yours" in found["members.id"].text
    assert "members.sample" not in found, "there are no accounts"


def test_a_site_without_accounts_has_none_to_look_at(plainshop, settings):
    settings.AUTH_USER_MODEL = "members.Nobody"
    assert set(by_code(look_at_members())) == {"members.id"}
    with pytest.raises(LookupError, match="This site has no accounts"):
        find_user("ada@example.org")


def test_accounts_whose_id_cannot_be_worked_out_are_a_finding(plainshop, monkeypatch):
    make_member("M-1")
    monkeypatch.setattr(PlainSource, "learner_for", away)
    finding = by_code(look_at_members())["members.sample"]
    assert finding.level == "error"
    assert "RuntimeError: the shop is away" in finding.text


def test_a_source_of_its_own_gives_the_ids_and_may_have_none_for_an_account(plainshop, monkeypatch):
    for number in ("M-1", "M-2", "M-3"):
        make_member(number)

    def learner_for(self: PlainSource, user: Any) -> Learner | None:
        if user.member_number == "M-2":
            raise ObjectDoesNotExist
        return None if user.member_number == "M-3" else Learner(user.member_number, "Ada", "Sample", "")

    monkeypatch.setattr(PlainSource, "learner_for", learner_for)
    finding = by_code(look_at_members())["members.sample"]
    assert (finding.level, finding.data) == ("ok", {"looked_at": 3, "empty": 2, "shared": 0})
    monkeypatch.setattr(PlainSource, "learner_for", lambda self, user: None)
    finding = by_code(look_at_members())["members.sample"]
    assert (finding.level, finding.data) == ("warning", {"looked_at": 3, "empty": 3, "shared": 0})
    assert "REMOTE_USER_ID" in finding.mend


def test_a_user_model_without_activity_or_address_is_looked_at_all_the_same(plainshop, monkeypatch):
    member = make_member("M-1", is_active=False)
    assert "members.sample" not in by_code(look_at_members()), "who is not active buys nothing"
    model = get_user_model()
    fields = [one for one in model._meta.get_fields() if one.name not in ("is_active", "email")]
    monkeypatch.setattr(model._meta, "get_fields", lambda: fields)
    assert by_code(look_at_members())["members.sample"].data["looked_at"] == 1
    assert find_user(str(member.pk)) == member


def test_two_accounts_of_one_name_are_nobodys(plainshop, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": "first_name"}
    make_member("M-1")
    make_member("M-2")
    with pytest.raises(LookupError, match="Several users have this name"):
        find_user("Ada")


def test_without_a_mapping_the_product_stays_open(plainshop, monkeypatch):
    ProductMapping.objects.all().delete()
    monkeypatch.setattr(PlainSource, "learner_for", lambda self, user: None)
    shown = would_send(make_member("M-1"))
    assert shown.mapping == ""
    assert shown.standing == ()
    assert any("No product is mapped" in problem for problem in shown.problems)


def test_a_further_field_that_is_no_json_is_told(plainshop, settings, monkeypatch):
    monkeypatch.setattr(
        PlainSource, "learner_for", lambda self, user: Learner("M-1", "Ada", "Sample", "ada@example.org")
    )
    member = make_member("M-1")
    assert would_send(member).problems == ()
    settings.ELEVATE = {**settings.ELEVATE, "PAYLOAD": lambda row: {"when": datetime.now(UTC)}}
    (problem,) = would_send(member).problems
    assert "cannot be written as JSON" in problem
    assert "Correct PAYLOAD" in problem


def test_nothing_mapped_is_a_warning_and_nothing_more(plainshop):
    ProductMapping.objects.all().delete()
    found = by_code(look_at_products())
    assert found["products.mapped"].level == "warning"
    assert found["products.mapped"].data == {"mapped": 0}
    assert set(found) == {"products.mapped", "products.unmapped"}


def test_a_source_that_cannot_give_its_products_is_told(plainshop, monkeypatch):
    monkeypatch.setattr(PlainSource, "products", away)
    finding = by_code(look_at_products())["products.gone"]
    assert (finding.level, finding.how) == ("error", "`products` was called.")


def test_a_store_that_lists_no_products_says_nothing_of_those_that_are_gone(plainshop, monkeypatch):
    monkeypatch.setattr(PlainSource, "products", lambda self, search="", limit=50: [])
    finding = by_code(look_at_products())["products.gone"]
    assert (finding.level, finding.data) == ("ok", {})
    assert "cannot be told" in finding.text


def test_without_a_source_products_cannot_be_told_either(plainshop, without_source):
    assert "cannot be told" in by_code(look_at_products())["products.gone"].text


def test_a_product_that_has_a_page_or_is_found_by_its_key_is_not_gone(plainshop, monkeypatch):
    make_mapping(product_key="course:PAGE", remote_product_id="P")
    make_mapping(product_key="course:FOUND", remote_product_id="F")
    listed = [Product("course:ETHICS", "Ethics"), Product("course:LAW", "Law")]
    monkeypatch.setattr(
        PlainSource,
        "products",
        lambda self, search="", limit=50: [Product(search, "Found")] if search == "course:FOUND" else listed,
    )
    monkeypatch.setattr(
        PlainSource, "product_url", lambda self, key: "/page/" if key == "course:PAGE" else ""
    )
    assert by_code(look_at_products())["products.gone"].data == {"missing": 0, "not_asked": 0}


def test_what_there_was_no_time_to_ask_for_is_counted(plainshop, monkeypatch):
    make_mapping(product_key="course:GONE", remote_product_id="G")
    moments = iter([0.0, 11.0])
    monkeypatch.setattr(products_room, "monotonic", lambda: next(moments))
    finding = by_code(look_at_products())["products.gone"]
    assert finding.data == {"missing": 0, "not_asked": 1}
    assert "1 more were not asked for" in finding.text


def test_addresses_are_told_as_never_asked_then_as_answering(plainshop):
    assert "products.addresses" not in by_code(look_at_products()), "no mapping has one"
    ProductMapping.objects.update(remote_registration_url="https://ams.example.org/course")
    finding = by_code(look_at_products())["products.addresses"]
    assert "have never been asked" in finding.text
    assert "elevate_check_urls" in finding.mend
    ProductMapping.objects.update(url_checked_at=timezone.now())
    finding = by_code(look_at_products())["products.addresses"]
    assert (finding.level, finding.data) == ("ok", {"failing": 0})


def test_settings_that_cannot_be_used_end_the_look(plainshop, settings):
    settings.ELEVATE = {**settings.ELEVATE, "NO_SUCH_SETTING": 1}
    found = findings_of("--key", "--fail-on", "never")
    assert {one["group"] for one in found.values()} == {"Settings", "Database"}
    assert set(found) == {"elevate.E001", "database.tables"}
