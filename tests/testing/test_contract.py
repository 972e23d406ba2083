"""The contract of order sources: sound sources pass it, and it finds each broken one by the test that says so."""

from __future__ import annotations

import io
import unittest
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from elevate_integration import receivers
from elevate_integration.testing import OrderSourceContract
from tests.plainshop.contract import PlainShopContract
from tests.plainshop.source import PlainSource
from tests.testing.broken_sources import BROKEN, KeepsTheRefunded


class TestPlainShop(PlainShopContract):
    """Every test of the contract against the plain shop."""

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        receivers.disconnect()


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(PlainSource, "broken", None)
    yield
    receivers.disconnect()


def failures_of(source: type[PlainSource], *names: str) -> dict[str, str]:
    """Run tests of the contract against a source; give the failed ones with their messages."""
    path = f"{source.__module__}.{source.__qualname__}"
    case = type("Contract", (PlainShopContract,), {"source_path": path})
    suite = unittest.TestSuite(case(name) for name in names)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    assert result.testsRun == len(names)
    return {test.id().rpartition(".")[2]: text for test, text in [*result.failures, *result.errors]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("source", BROKEN, ids=lambda source: source.__name__)
def test_a_broken_source_fails_by_the_test_that_names_its_mistake(clean, source):
    name = BROKEN[source]
    failed = failures_of(source, name)
    assert list(failed) == [name]
    assert "AssertionError: " in failed[name]


@pytest.mark.django_db(transaction=True)
def test_the_sound_source_passes_each_of_these_tests(clean):
    assert failures_of(PlainSource, *BROKEN.values()) == {}


@pytest.mark.django_db(transaction=True)
def test_a_source_that_only_forgets_lines_passes_the_tests_of_other_matters(clean):
    others = [name for name in BROKEN.values() if name != BROKEN[KeepsTheRefunded]]
    assert failures_of(KeepsTheRefunded, *others) == {}


class Empty(OrderSourceContract):
    """What a host begins with."""

    __test__ = False


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("make_user", ()),
        ("make_product", ()),
        ("place_order", (None, [])),
        ("pay", (None,)),
        ("refund", (None,)),
        ("cancel", (None,)),
        ("save_again", (None,)),
        ("order_ref", (None,)),
    ],
)
def test_a_factory_method_that_is_not_written_is_named(name, given):
    with pytest.raises(NotImplementedError, match=rf"Write Empty\.{name}\(\)"):
        getattr(Empty("test_a_refund_is_marked"), name)(*given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("lines_of", (None,)),
        ("place_bare_order", (None,)),
        ("add_lines", (None, [])),
        ("place_order_for", (None, None, None)),
        ("place_guest_order", (None,)),
        ("change_email", ({"email": "ada@example.org"}, "eve@example.org")),
    ],
)
def test_what_a_shop_cannot_do_is_skipped_with_the_reason(name, given):
    with pytest.raises(unittest.SkipTest, match=rf"{name}\(\).* not written"):
        getattr(Empty("test_a_refund_is_marked"), name)(*given)


@pytest.mark.django_db
def test_a_user_of_djangos_gets_another_address_without_a_line_of_the_hosts():
    user = get_user_model().objects.create_user("ada@example.org")
    Empty("test_a_refund_is_marked").change_email(user, "eve@example.org")
    user.refresh_from_db()
    assert user.email == "eve@example.org"


def test_the_class_itself_is_passed_over_by_a_runner_that_finds_it_imported():
    with pytest.raises(unittest.SkipTest, match="derived"):
        OrderSourceContract.setUpClass()
    assert not OrderSourceContract.__test__
