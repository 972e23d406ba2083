"""What every engine must do, with its real processes and brokers. `pytest tests/engines` runs them."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.engines.shops import AT_ONCE, GRACE

pytestmark = pytest.mark.engines

_numbers = itertools.count(1)


@pytest.fixture
def person(engine):
    """A learner of this test alone; the engine runs before and after it."""
    yield f"M-{next(_numbers)}"
    engine.back()
    engine.start()


@pytest.fixture
def shop(engine):
    return engine.shop


def test_a_paid_order_is_registered_without_the_periodic_run(engine, shop, person):
    pk = shop.sell(person)
    shop.wait(lambda: shop.status(pk) == "registered")
    assert shop.held(person) == [False]


def test_an_order_saved_outside_a_transaction_is_registered_after_the_quiet_time(engine, shop, person):
    pk = shop.do(f'found["pk"] = sell("{person}").pk')["pk"]
    shop.wait(lambda: shop.status(pk) == "registered", each=None if engine.plans else engine.periodic)
    assert shop.held(person) == [False]


def test_a_refund_is_cancelled_after_the_grace(engine, shop, person):
    pk = shop.sell(person)
    shop.wait(lambda: shop.status(pk) == "registered")
    refunded = time.monotonic()
    shop.do(
        f'invoice = Invoice.objects.get(pk={pk})\ninvoice.state = "refunded"\nwith transaction.atomic(): invoice.save()'
    )
    shop.wait(lambda: shop.status(pk) == "cancelled", each=None if engine.plans else engine.periodic)
    assert time.monotonic() - refunded >= GRACE
    assert shop.held(person) == [True]


def test_nothing_is_delivered_when_the_order_is_rolled_back(engine, shop, person):
    code = f'with transaction.atomic():\n    sell("{person}")\n    transaction.set_rollback(True)'
    shop.do(code)
    after = shop.sell(f"{person}-after")
    shop.wait(lambda: shop.status(after) == "registered")
    assert shop.held(person) == []


def test_an_engine_that_is_away_neither_raises_nor_makes_a_checkout_wait(engine, shop, person):
    sold = []
    for away in engine.ways_away():
        away()
        for _ in range(2):
            started = time.monotonic()
            sold.append(shop.sell(person))
            assert time.monotonic() - started < AT_ONCE
        shop.wait(engine.notices)
        assert shop.status(sold[-1]) != "registered"
        engine.back()
        engine.start()
        shop.wait(lambda: all(shop.status(pk) in ("registered", "covered") for pk in sold))


def test_an_engine_that_forgets_everything_loses_nothing(engine, shop, person):
    pk = engine.sell_and_forget(person)
    engine.periodic()
    shop.wait(lambda: shop.status(pk) == "registered")
    assert shop.held(person) == [False]


def test_two_at_once_register_once(engine, shop, person):
    engine.start(2)
    people = [f"{person}-{number}" for number in range(10)]
    second = shop.open_web()
    try:
        for web, half in ((shop.web, people[::2]), (second, people[1::2])):
            code = "\n".join(f'with transaction.atomic(): sell("{one}")' for one in half)
            shop.send(code, web=web)
        shop.answer()
        shop.answer(web=second)
        shop.wait(lambda: all(shop.held(one) for one in people))
    finally:
        second.kill()
    assert [shop.held(one) for one in people] == [[False]] * 10
