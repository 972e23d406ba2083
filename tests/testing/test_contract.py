"""The contract of order sources: sound sources pass it, and it finds each broken one by the test that says so."""

from __future__ import annotations

import io
import unittest
from typing import Any

import pytest

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


def test_a_factory_method_that_is_not_written_is_named():
    class Empty(OrderSourceContract):
        __test__ = False

    with pytest.raises(NotImplementedError, match=r"Write Empty\.make_user\(\)"):
        Empty("test_a_refund_is_marked").make_user()


def test_what_a_shop_cannot_do_is_skipped_with_the_reason():
    with pytest.raises(unittest.SkipTest, match="place_order_for"):
        OrderSourceContract("test_a_refund_is_marked").place_order_for(None, None, None)


def test_the_class_itself_is_passed_over_by_a_runner_that_finds_it_imported():
    with pytest.raises(unittest.SkipTest, match="derived"):
        OrderSourceContract.setUpClass()
    assert not OrderSourceContract.__test__
