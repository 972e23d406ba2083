"""What was paid for a line, shared among its places. Pure."""

from __future__ import annotations

from decimal import Decimal

_CENT = Decimal("0.01")


def shares(amount: Decimal, places: int) -> list[Decimal]:
    """Share an amount in whole cents out so that the parts add up to it: the first ones get the odd cents.

    An amount with parts of a cent is given to each place as it is: it cannot be sent, and staff are told.
    """
    if places < 1:
        return []
    if amount % _CENT:
        return [amount] * places
    each, odd = divmod(int(amount / _CENT), places)
    return [(each + (number < odd)) * _CENT for number in range(places)]
