"""What a host writes so that the contract of order sources can buy, pay and refund in its shop. For tests only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from unittest import SkipTest

from django.contrib.auth import get_user_model
from django.test import TransactionTestCase


class HostShop(TransactionTestCase):
    """The shop's part of `OrderSourceContract`: first what must be written, then what can be where a shop offers it."""

    __test__ = False

    def make_user(
        self, *, first_name: str = "Ada", last_name: str = "Sample", email: str = "ada@example.org"
    ) -> Any:
        """Make somebody who can buy. Called several times in a test, with another e-mail address each time."""
        self._write_me("make_user")

    def make_product(self) -> Any:
        """Make a product that can be bought. Called several times in a test: another product each time."""
        self._write_me("make_product")

    def place_order(self, buyer: Any, lines: Sequence[tuple[Any, int]]) -> Any:
        """Place an order of these products and quantities as the shop does it, and give it. Not paid yet."""
        self._write_me("place_order")

    def pay(self, order: Any) -> None:
        """Pay the whole order. Do nothing where `starts_unpaid` is False."""
        self._write_me("pay")

    def refund(self, order: Any, line: Any = None) -> None:
        """Give the money back: for the whole order, or for one of `lines_of()`."""
        self._write_me("refund")

    def cancel(self, order: Any) -> None:
        """Cancel a paid order."""
        self._write_me("cancel")

    def save_again(self, order: Any) -> None:
        """Save the order's rows as they are, as an office does that opens an order and presses *Save*."""
        self._write_me("save_again")

    def order_ref(self, order: Any) -> str:
        """Give the reference by which the source knows this order."""
        self._write_me("order_ref")

    # What the host writes where its shop can do it.

    def lines_of(self, order: Any) -> Sequence[Any]:
        """Give the order's lines, for a refund of one of them."""
        self.not_offered("lines_of() is not written, so nothing is known about a refund of one line.")

    def place_bare_order(self, buyer: Any) -> Any:
        """Write the order's own row only."""
        self.not_offered("place_bare_order() and add_lines() are not written: the shop writes both at once.")

    def add_lines(self, order: Any, lines: Sequence[tuple[Any, int]]) -> None:
        """Write the lines of an order from `place_bare_order()`."""
        self.not_offered("place_bare_order() and add_lines() are not written: the shop writes both at once.")

    def place_order_for(self, buyer: Any, learner: Any, product: Any) -> Any:
        """Place an order that `buyer` pays and whose one seat is for `learner`; both are from `make_user()`."""
        self.not_offered("place_order_for() is not written: the shop sells to the buyer alone.")

    def place_guest_order(self, product: Any) -> Any:
        """Place an order of somebody without an account."""
        self.not_offered("place_guest_order() is not written: the shop sells to its members alone.")

    def change_email(self, user: Any, email: str) -> None:
        """Give the user another e-mail address. Written already for Django's users."""
        if not isinstance(user, get_user_model()):
            self.not_offered("change_email() is not written, and make_user() gives no user of Django's.")
        setattr(user, user.get_email_field_name(), email)
        user.save()

    def not_offered(self, why: str) -> NoReturn:
        """Skip the test, because the shop cannot do what it needs."""
        raise SkipTest(why)

    def _write_me(self, name: str) -> NoReturn:
        raise NotImplementedError(
            f"Write {type(self).__name__}.{name}(); its docstring says what it must do."
        )
