"""What a host tells us about its orders. Ground floor: imports neither Django models nor Elevate.

A host writes one subclass of `OrderSource` and names it in `ELEVATE["ORDER_SOURCE"]`. Everything else in the
package asks only the four dataclasses below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.models import Model
    from django.dispatch import Signal
    from django.http import HttpRequest


@dataclass(frozen=True)
class Learner:
    """The person to be registered. Fields are text, and `""` where the host knows nothing.

    `remote_user_id` must be the value that the single sign-on sends to Elevate.
    """

    remote_user_id: str
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)


@dataclass(frozen=True)
class Seat:
    """One learner's place in an order line.

    key: stable for the life of the line, for example `"line:9:1"`.
    product_keys: the host's names of the product, the most specific first; the first with a mapping wins.
    learner: None while nobody is named.
    active: paid and neither refunded nor cancelled, read now.
    amount_paid: what was paid for this seat, in the shop's currency.
    title: the product's title as staff know it.
    """

    key: str
    product_keys: tuple[str, ...]
    learner: Learner | None
    active: bool
    amount_paid: Decimal = Decimal("0.00")
    title: str = ""


@dataclass(frozen=True)
class Snapshot:
    """What is true about one order now.

    placed_at: when the order was placed, where it is known from the same reading; None has `placed_at()` asked.
    """

    order_ref: str
    buyer: Learner | None
    seats: tuple[Seat, ...]
    placed_at: datetime | None = None


@dataclass(frozen=True)
class Product:
    """A product of the host, as the product picker offers it."""

    key: str
    title: str
    remote_product_id: str = ""
    url: str = ""
    active: bool = True


@dataclass(frozen=True)
class Watch:
    """A signal after which an order has to be looked at again.

    signal: for example `post_save`.
    sender: the model class, `"app_label.Model"`, or None for a signal that any sender may send.
    order_ref: gives the order's reference from the signal's arguments, or `""` when the order cannot matter
        (an open cart). It gets the signal's keyword arguments (`instance` among them) and must not query.
    """

    signal: Signal
    sender: type[Model] | str | None
    order_ref: Callable[..., str]


class SoldOutError(Exception):
    """Raised by `add_to_cart` for a product that cannot be bought at the moment. Its text is shown to the visitor."""


class OrderSource(ABC):
    """The one thing a host must write. Methods may raise: nothing is cancelled because one did."""

    @abstractmethod
    def watches(self) -> Iterable[Watch]:
        """Give the signals that mean *look at order X again*. Called once, when Django is ready."""

    @abstractmethod
    def snapshot(self, order_ref: str) -> Snapshot | None:
        """Read the truth about one order now; None when the order is gone. Must not write."""

    @abstractmethod
    def recent(self, since: datetime | None) -> Iterator[str]:
        """Yield the references of orders changed since then, or of all orders (None), without loading them all.

        `since` is aware where the host uses time zones, else naive in the host's zone.
        """

    @abstractmethod
    def placed_at(self, order_ref: str) -> datetime | None:
        """Tell when the order was placed; None counts as before the go-live date."""

    def problems(self) -> Iterable[str]:
        """Name what is wrong with the host's set-up of this source, a sentence each, for `manage.py check`.

        Must not query.
        """
        return ()

    def snapshots(self, order_refs: Sequence[str]) -> Mapping[str, Snapshot | None]:
        """Read many orders. Override it to save queries; one order per query otherwise."""
        return {ref: self.snapshot(ref) for ref in order_refs}

    def products(self, search: str = "", limit: int = 50) -> Iterable[Product]:
        """Give at most `limit` products for the product picker, those whose title or key holds `search`."""
        return ()

    def product_url(self, product_key: str) -> str:
        """Give the address where a member can buy the product; `""` when there is none."""
        return ""

    def add_to_cart(self, request: HttpRequest, product_key: str) -> str:
        """Put the product in the visitor's cart and give the address to send him to; `""` if it cannot be done.

        Called for a POST that the visitor made. The cart's own rules (quantity, membership price) apply. Where only
        members have a cart, give the log-in page for a visitor: `redirect_to_login(request.get_full_path()).url`
        brings him back to be asked again. May raise SoldOutError.
        """
        return self.product_url(product_key)

    def learner_for(self, user: Any) -> Learner | None:
        """Give the learner behind a log-in of the host; None when there is none.

        Not overridden, a log-in is the learner whose ID the setting REMOTE_USER_ID gives.
        """
        return None

    def learner_by_email(self, email: str) -> Learner | None:
        """Give the learner whose active account has this e-mail address; None when none or several have it.

        Asked for people whom a buyer named for seats. Upper and lower case are the same. Where the host verifies
        addresses, give only one that was verified: who has the address gets the seat.
        """
        return None

    def learners_by_email(self, emails: Collection[str]) -> Mapping[str, Learner]:
        """Find many, by the addresses as they were asked for. Override it to save queries; one by one otherwise."""
        found = {email: self.learner_by_email(email) for email in emails}
        return {email: learner for email, learner in found.items() if learner is not None}

    def seats_of_line(self, line: Any) -> tuple[str, tuple[str, ...]]:
        """Name what a page of the host hands to `{% elevate_link %}`: the order's reference, and the keys of the seats.

        line: the host's order line. No keys stand for all seats of the order. `("", ())` when it is none of its lines.
        """
        return "", ()

    def order_url(self, order_ref: str) -> str:
        """Give the address of the order's page for staff; `""` when there is none."""
        return ""

    def member_url(self, remote_user_id: str) -> str:
        """Give the address of the member's page for staff; `""` when there is none."""
        return ""
