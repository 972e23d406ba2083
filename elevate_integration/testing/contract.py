"""What every order source must do, as a test class that a host derives from. For tests only; needs Django.

The host writes the factory methods of `HostShop` for its own shop; the tests are here. `docs/order-source.md` shows how.
"""

# ruff: noqa: S101, PT018

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from unittest import SkipTest

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError
from django.test import override_settings
from django.utils import timezone

from elevate_integration import receivers, wake
from elevate_integration.conf import order_source
from elevate_integration.models import OrderMark, database
from elevate_integration.orders.source import OrderSource, Seat, Snapshot
from elevate_integration.testing.shop import HostShop
from elevate_integration.testing.watching import atomic_everywhere, calling_refs, watching_sql, writes


class _RollbackError(Exception):
    """Raised by a test to roll its own transaction back."""


class OrderSourceContract(HostShop):
    """Derive from it, write the factory methods, and run it with pytest or `manage.py test`.

    Must be written: `make_user()`, `make_product()`, `place_order()`, `pay()`, `order_ref()`, `save_again()`,
    `refund()` and `cancel()`. A method that a shop cannot offer may call `self.not_offered(why)`: the tests that need
    it are skipped with that reason.

    source_path: dotted path of the source to test; by default the one that `ELEVATE["ORDER_SOURCE"]` names.
    starts_unpaid: False where `place_order()` takes the money at once.
    one_seat_per_piece: False where a quantity is no number of places.
    """

    __test__ = False
    databases = "__all__"

    source_path: ClassVar[str] = ""
    starts_unpaid: ClassVar[bool] = True
    one_seat_per_piece: ClassVar[bool] = True

    source: OrderSource

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__test__ = cls.__dict__.get("__test__", True)

    @classmethod
    def setUpClass(cls) -> None:
        """Pass over the class itself, which a module that imports it would run."""
        if cls is OrderSourceContract:
            raise SkipTest("OrderSourceContract is to be derived from.")
        super().setUpClass()

    def setUp(self) -> None:
        """Listen to the source under test, and deliver nothing meanwhile."""
        super().setUp()
        ours = {**(getattr(settings, "ELEVATE", None) or {}), "DISPATCHER": "worker"}
        if self.source_path:
            ours["ORDER_SOURCE"] = self.source_path
        changed = override_settings(ELEVATE=ours)
        changed.enable()
        self.addCleanup(wake.set_wake, wake._wake)
        wake.set_wake(None)
        self.addCleanup(receivers.connect)
        self.addCleanup(changed.disable)
        self.source = order_source()
        receivers.connect()

    # Becoming active, however the rows are written.

    def test_a_paid_order_written_in_one_transaction_has_active_seats(self) -> None:
        """One transaction: also what a view does under ATOMIC_REQUESTS."""
        with atomic_everywhere():
            order = self._bought()
        self._assert_seats(order, active=True)

    def test_a_paid_order_written_in_several_transactions_has_active_seats(self) -> None:
        """The order is committed before it is paid."""
        with atomic_everywhere():
            order = self._placed()
        with atomic_everywhere():
            self.pay(order)
        self._assert_seats(order, active=True)

    def test_a_paid_order_written_in_autocommit_has_active_seats(self) -> None:
        """Each row is committed by itself."""
        self._assert_seats(self._bought(), active=True)

    def test_lines_written_after_the_order_are_seen(self) -> None:
        """The order's own signal comes before there is any line."""
        order = self.place_bare_order(self.make_user())
        self.add_lines(order, [(self.make_product(), 1)])
        self.pay(order)
        self._assert_seats(order, active=True)

    def test_an_order_that_is_not_paid_has_no_active_seat(self) -> None:
        """Placed, billed, tendered or authorised is not paid."""
        if not self.starts_unpaid:
            self.not_offered("starts_unpaid is False: an order is paid as soon as it is placed.")
        order = self._placed()
        snapshot = self.source.snapshot(self.order_ref(order))
        active = [seat.key for seat in snapshot.seats if seat.active] if snapshot else []
        assert not active, (
            f"{self._name(order)} is not paid, and its seats {active} are active: people would be registered for "
            "nothing. Make `Seat.active` depend on the money that came in, not on the order being placed or billed."
        )

    def test_each_place_is_a_seat(self) -> None:
        """Two places are two people."""
        if not self.one_seat_per_piece:
            self.not_offered("one_seat_per_piece is False: a quantity is no number of places.")
        order = self.place_order(self.make_user(), [(self.make_product(), 2), (self.make_product(), 1)])
        self.pay(order)
        seats = self._seats(order)
        assert len(seats) == 3, (
            f"{self._name(order)} has three places in two lines, and snapshot() gives {len(seats)} seats. Give one "
            "seat for each piece of a line, and number them in the key."
        )

    def test_seats_are_well_formed(self) -> None:
        """Keys are text and differ, amounts are decimals, and each seat names a product."""
        order = self._bought()
        snapshot = self._snapshot(order)
        assert snapshot.order_ref == self.order_ref(order), (
            f"snapshot({self.order_ref(order)!r}) gives order_ref={snapshot.order_ref!r}. Give the reference back."
        )
        keys = [seat.key for seat in snapshot.seats]
        assert len(set(keys)) == len(keys), f"Two seats have one key: {keys}. Each seat needs its own."
        for seat in snapshot.seats:
            self._assert_well_formed(seat)

    # Staying the same.

    def test_saving_again_changes_nothing(self) -> None:
        """An office opens an old order and presses *Save*."""
        order = self._bought()
        before = self._snapshot(order)
        self.save_again(order)
        assert self._snapshot(order) == before, (
            f"{self._name(order)} was saved without a change, and its snapshot differs: {before} before, "
            f"{self._snapshot(order)} after. Read nothing that saving changes."
        )

    def test_seats_keep_their_keys(self) -> None:
        """A seat under a new key is a cancel and a new registration."""
        order = self._bought()
        before = [seat.key for seat in self._seats(order)]
        again = [seat.key for seat in self._seats(order)]
        self.save_again(order)
        saved = [seat.key for seat in self._seats(order)]
        self.refund(order)
        after = [seat.key for seat in self._seats(order)] or before
        assert before == again == saved == after, (
            f"The seats of {self._name(order)} change their keys: {before} at first, {again} read again, {saved} "
            f"after a save, {after} after the refund. Make the key of the line's primary key and the seat's number."
        )

    def test_the_remote_user_id_is_the_persons_and_stable(self) -> None:
        """It must be what the single sign-on sends: not an address that changes, and never somebody else's."""
        ada, eve = self.make_user(), self.make_user(first_name="Eve", email="eve@example.org")
        order, other = self._bought(buyer=ada), self._bought(buyer=eve)
        first, second = self._user_id(order), self._user_id(other)
        assert first, f"The seat of {self._name(order)} has no remote_user_id. {_ABOUT_ID}"
        assert first != second, f"Two people have the remote_user_id {first!r}. {_ABOUT_ID}"
        self.change_email(ada, "new.address@example.org")
        assert self._user_id(order) == first, (
            f"With a new e-mail address the buyer of {self._name(order)} has another remote_user_id. {_ABOUT_ID}"
        )

    def test_a_log_in_is_the_learner_of_its_order(self) -> None:
        """`learner_for()` and `snapshot()` must agree on who somebody is."""
        user = self.make_user()
        order = self._bought(buyer=user)
        if not isinstance(user, get_user_model()):
            self.not_offered("make_user() gives no user of Django's, so there is no log-in.")
        found = self.source.learner_for(user)
        if found is None:
            self.not_offered("learner_for() is not written: members see no list of their courses.")
        assert found.remote_user_id == self._user_id(order), (
            "learner_for() and snapshot() give one person two values of remote_user_id. Let both call one function."
        )

    def test_a_buyer_without_last_name_or_email_is_read(self) -> None:
        """Such a seat is held with a reason; an error would stop the whole order."""
        order = self._bought(buyer=self.make_user(last_name="", email=""))
        for seat in self._seats(order):
            values = vars(seat.learner) if seat.learner else {}
            wrong = sorted(name for name, value in values.items() if not isinstance(value, str))
            assert not wrong, (
                f"Learner.{wrong[0]} of {self._name(order)} is no text. Give '' for what is unknown."
            )

    def test_a_guests_order_is_read(self) -> None:
        """Somebody without an account has a name and an address, and no remote_user_id unless the shop gives one."""
        order = self.place_guest_order(self.make_product())
        self.pay(order)
        self._assert_seats(order, active=True)

    def test_the_learner_is_registered_and_not_the_payer(self) -> None:
        """A manager buys a seat for a colleague."""
        payer, learner = self.make_user(), self.make_user(first_name="Eve", email="eve@example.org")
        order = self.place_order_for(payer, learner, self.make_product())
        self.pay(order)
        emails = {seat.learner.email.casefold() for seat in self._seats(order) if seat.learner}
        assert emails == {"eve@example.org"}, (
            f"{self._name(order)} was paid by one person for another, and the learner is not the other. Give the "
            "person in the seat as `Seat.learner`; the payer belongs into `Snapshot.buyer`."
        )

    # Becoming inactive.

    def test_a_refund_makes_the_seats_inactive(self) -> None:
        """The whole order is refunded."""
        order = self._bought()
        self.refund(order)
        self._assert_inactive(order, "refunded")

    def test_a_cancelled_order_has_no_active_seat(self) -> None:
        """The order is cancelled."""
        order = self._bought()
        self.cancel(order)
        self._assert_inactive(order, "cancelled")

    def test_a_refund_of_one_line_leaves_the_others(self) -> None:
        """One of two lines is refunded."""
        order = self.place_order(self.make_user(), [(self.make_product(), 1), (self.make_product(), 1)])
        self.pay(order)
        lines = self.lines_of(order)
        self.refund(order, lines[0])
        active = [seat.active for seat in self._seats(order)]
        assert active.count(True) == 1, (
            f"One of two lines of {self._name(order)} was refunded, and {active.count(True)} seats are active. Let "
            "`Seat.active` ask the line as well as the order."
        )

    def test_a_rollback_leaves_nothing(self) -> None:
        """The checkout failed after the order was written."""
        buyer, product = self.make_user(), self.make_product()
        self._forget_marks()
        ref = ""
        with suppress(_RollbackError), atomic_everywhere():
            order = self.place_order(buyer, [(product, 1)])
            self.pay(order)
            ref = self.order_ref(order)
            raise _RollbackError
        assert ref not in self._marks(), f"Order {ref} was rolled back and is marked. {_ABOUT_ROLLBACK}"
        snapshot = self.source.snapshot(ref)
        active = [seat.key for seat in snapshot.seats if seat.active] if snapshot else []
        assert not active, (
            f"Order {ref} was rolled back, and snapshot() gives active seats. {_ABOUT_ROLLBACK}"
        )

    # Being noticed.

    def test_a_paid_order_is_marked(self) -> None:
        """The first thing that must be seen."""
        order = self._placed()
        self._assert_marked(order, "paid", lambda: self.pay(order), optional=not self.starts_unpaid)

    def test_an_order_saved_again_is_marked(self) -> None:
        """Whatever an office changes by hand comes this way."""
        order = self._bought()
        self._assert_marked(order, "saved again", lambda: self.save_again(order))

    def test_a_refund_is_marked(self) -> None:
        """Else nobody is cancelled until the sweep."""
        order = self._bought()
        self._assert_marked(order, "refunded", lambda: self.refund(order))

    def test_a_refund_of_one_line_is_marked(self) -> None:
        """Many shops write the line alone."""
        order = self.place_order(self.make_user(), [(self.make_product(), 1), (self.make_product(), 1)])
        self.pay(order)
        line = self.lines_of(order)[0]
        self._assert_marked(order, "refunded in part", lambda: self.refund(order, line))

    def test_a_cancelled_order_is_marked(self) -> None:
        """As a refund."""
        order = self._bought()
        self._assert_marked(order, "cancelled", lambda: self.cancel(order))

    def test_naming_the_order_of_a_change_costs_no_query(self) -> None:
        """`Watch.order_ref` runs inside the checkout."""
        queries: list[str] = []
        errors: list[str] = []
        with calling_refs(self.source.watches(), queries, errors):
            order = self._bought()
            self.save_again(order)
            self.refund(order)
        assert not errors, (
            f"Watch.order_ref raised: {errors[0]}. It gets the signal's keyword arguments; take what you need and "
            "accept the rest with **kwargs."
        )
        assert not queries, (
            f"Watch.order_ref asks the database: {queries[0]}. Name the order by a column of the row itself, "
            "`instance.order_id` for example."
        )

    # Being read.

    def test_reading_an_order_writes_nothing(self) -> None:
        """`snapshot()` is called again and again, also for a preview."""
        ref = self.order_ref(self._bought())
        written: list[str] = []
        with watching_sql(lambda sql: written.append(sql) if writes(sql) else None):
            self.source.snapshot(ref)
            self.source.snapshots([ref])
            list(self.source.recent(None))
            self.source.placed_at(ref)
        assert not written, f"Reading order {ref} writes: {written[0]}. Only read in snapshot()."

    def test_a_failing_database_raises_and_is_no_empty_order(self) -> None:
        """Errors must be seen: an order read as empty looks like a refund."""
        ref = self.order_ref(self._bought())

        def fail(sql: str) -> None:
            raise DatabaseError("The database went away (raised by OrderSourceContract).")

        with watching_sql(fail):
            try:
                found = self.source.snapshot(ref)
            except Exception:  # noqa: BLE001 - any error is right: it is no answer
                return
        self.fail(
            f"The database failed while order {ref} was read, and snapshot() gave {found} all the same. Do not catch "
            "errors there: an order that cannot be read is read again later; an empty one gets its people cancelled."
        )

    def test_many_orders_are_read_as_one_is(self) -> None:
        """`snapshots()` is `snapshot()` with fewer queries."""
        ada, eve = self.make_user(), self.make_user(first_name="Eve", email="eve@example.org")
        orders = [self._bought(buyer=ada), self._bought(buyer=eve)]
        self.refund(orders[1])
        refs = [self.order_ref(order) for order in orders]
        together = self.source.snapshots(refs)
        alone = {ref: self.source.snapshot(ref) for ref in refs}
        assert dict(together) == alone, (
            f"snapshots({refs}) differs from snapshot() of each: {dict(together)} against {alone}. Let snapshot() "
            "call snapshots([order_ref])."
        )

    def test_recent_orders_include_it(self) -> None:
        """What no signal told is found by the sweep."""
        before = self._now() - timedelta(minutes=1)
        order = self._bought()
        ref = self.order_ref(order)
        assert ref in list(self.source.recent(None)), (
            f"recent(None) leaves out order {ref}. Yield all orders."
        )
        assert ref in list(self.source.recent(before)), (
            f"recent({before}) leaves out order {ref}, which is newer. Compare the time of the last change; is it "
            f"{'aware' if settings.USE_TZ else 'naive'}?"
        )

    def test_an_order_refunded_since_is_recent(self) -> None:
        """A refund is a change of the order."""
        order = self._bought()
        since = self._now()
        self.refund(order)
        ref = self.order_ref(order)
        assert ref in list(self.source.recent(since)), (
            f"Order {ref} was refunded, and recent() does not yield it: a missed signal would never be made good. "
            "Look at the time of the refund as well as at the order's."
        )

    def test_the_time_of_the_order_is_known(self) -> None:
        """Without it the order counts as older than the go-live date, and nobody is registered."""
        ref = self.order_ref(self._bought())
        placed = self.source.placed_at(ref)
        assert isinstance(placed, datetime), (
            f"placed_at({ref!r}) gives {placed!r}. Give the time of the order."
        )
        assert timezone.is_aware(placed) == settings.USE_TZ, (
            f"placed_at({ref!r}) is {'aware' if timezone.is_aware(placed) else 'naive'}, and USE_TZ is "
            f"{settings.USE_TZ}. Give the value as Django reads it."
        )
        assert abs(placed - self._now()) < timedelta(days=1), (
            f"Order {ref} was placed just now, and placed_at() gives {placed}. Give the order's time, not the product's."
        )

    # Tools.

    def _placed(self, buyer: Any = None) -> Any:
        return self.place_order(buyer or self.make_user(), [(self.make_product(), 1)])

    def _bought(self, buyer: Any = None) -> Any:
        order = self._placed(buyer)
        self.pay(order)
        return order

    def _name(self, order: Any) -> str:
        return f"Order {self.order_ref(order)}"

    def _snapshot(self, order: Any) -> Snapshot:
        ref = self.order_ref(order)
        found = self.source.snapshot(ref)
        assert found is not None, f"snapshot({ref!r}) finds no order. Is that its reference?"
        return found

    def _seats(self, order: Any) -> tuple[Seat, ...]:
        found = self.source.snapshot(self.order_ref(order))
        return found.seats if found else ()

    def _user_id(self, order: Any) -> str:
        learners = [seat.learner for seat in self._seats(order) if seat.learner]
        assert learners, f"No seat of {self._name(order)} has a learner. Give the buyer the first one."
        return learners[0].remote_user_id

    def _assert_seats(self, order: Any, *, active: bool) -> None:
        seats = self._snapshot(order).seats
        assert seats, (
            f"{self._name(order)} is paid, and snapshot() gives no seat. Read its lines when snapshot() is called, "
            "not in a signal: at the order's own signal there are none yet."
        )
        assert all(seat.active is active for seat in seats), (
            f"{self._name(order)} is paid, and the seats {[s.key for s in seats if not s.active]} are not active. "
            "Compare `Seat.active` with how your shop says *paid*; read the order from the database, not from memory."
        )

    def _assert_inactive(self, order: Any, what: str) -> None:
        still = [seat.key for seat in self._seats(order) if seat.active]
        assert not still, (
            f"{self._name(order)} is {what}, and its seats {still} are active: these people would stay registered. "
            f"Make `Seat.active` False when the order or its line is {what}."
        )

    def _assert_well_formed(self, seat: Seat) -> None:
        assert isinstance(seat.key, str) and seat.key, f"Seat.key is {seat.key!r}. It must be text."
        assert len(seat.key) <= 150, f"Seat.key {seat.key!r} is longer than 150 characters."
        keys = seat.product_keys
        assert isinstance(keys, tuple) and keys and all(isinstance(key, str) and key for key in keys), (
            f"Seat {seat.key!r} has product_keys={keys!r}. Give a tuple of texts, the most specific first."
        )
        assert isinstance(seat.active, bool), (
            f"Seat {seat.key!r} has active={seat.active!r}. Give True or False."
        )
        assert type(seat.amount_paid) in (Decimal, int), (
            f"Seat {seat.key!r} has amount_paid={seat.amount_paid!r}. Give a Decimal; a float is not exact."
        )

    def _assert_marked(
        self, order: Any, what: str, change: Callable[[], None], *, optional: bool = False
    ) -> None:
        if not optional:
            self._forget_marks()
        change()
        ref = self.order_ref(order)
        assert ref in self._marks(), (
            f"Order {ref} was {what}, and no watch saw it: only the sweep would, later. Add the model that this "
            "writes to OrderSource.watches(), or send a signal of your own where you use QuerySet.update()."
        )

    def _marks(self) -> set[str]:
        return set(OrderMark.objects.using(database()).values_list("order_ref", flat=True))

    def _forget_marks(self) -> None:
        OrderMark.objects.using(database()).all().delete()

    def _now(self) -> datetime:
        return timezone.now()


_ABOUT_ID = (
    "Give what your single sign-on sends to Elevate: `elevate_integration.conf.remote_user_id(user)` does, and "
    'ELEVATE["REMOTE_USER_ID"] says which field it is. An e-mail address changes, and Elevate would see a new person.'
)
_ABOUT_ROLLBACK = "Read the order from the database each time, and mark it through signals of the rows written in the transaction."
