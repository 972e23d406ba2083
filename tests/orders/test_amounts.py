"""How what was paid for a line is shared among its places."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_integration.orders.amounts import shares


@pytest.mark.parametrize(
    ("amount", "places", "parts"),
    [
        ("100.00", 3, ["33.34", "33.33", "33.33"]),
        ("200.00", 3, ["66.67", "66.67", "66.66"]),
        ("0.01", 2, ["0.01", "0.00"]),
        ("90.00", 1, ["90.00"]),
        ("-100.00", 3, ["-33.33", "-33.33", "-33.34"]),
        ("90.00", 0, []),
        ("90.00", -1, []),
    ],
)
def test_the_parts_of_an_amount_add_up_to_it_and_the_first_get_the_odd_cents(amount, places, parts):
    found = shares(Decimal(amount), places)
    assert [str(part) for part in found] == parts
    assert sum(found) == (Decimal(amount) if parts else 0)


@given(cents=st.integers(0, 10**7), places=st.integers(1, 50))
def test_shares_add_up_and_differ_by_a_cent_at_most(cents: int, places: int) -> None:
    amount = Decimal(cents) / 100
    parts = shares(amount, places)
    assert sum(parts) == amount
    assert max(parts) - min(parts) <= Decimal("0.01")
    assert all(part.as_tuple().exponent == -2 for part in parts)


def test_an_amount_with_parts_of_a_cent_is_left_as_it_is():
    assert shares(Decimal("10.005"), 2) == [Decimal("10.005")] * 2
