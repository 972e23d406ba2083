"""Counts what Elevate holds against what was sold, and plays the office that decides what no program may decide."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from elevate_integration import staff
from elevate_integration.lifecycle import Outcome
from elevate_integration.models import DeliveryState, OrderMark, ProductMapping, Registration
from elevate_integration.testing import FakeElevate

# Seconds after which something that must happen is taken for something that will not.
DEADLINE = 90.0


def wait_until(condition: Callable[[], Any], *, what: str, seconds: float = DEADLINE) -> None:
    """Look again and again until it is so; fails when it never is."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not happen within {seconds:g} s: {what}"
        time.sleep(0.02)


def sell_seats(people: list[str], product: str = "ABCD1234") -> None:
    """Write a registration that is due now for each person, without a shop around it."""
    mapping = ProductMapping.objects.get_or_create(
        product_key=f"course:{product}", defaults={"remote_product_id": product}
    )[0]
    # There is no shop behind these rows: a sweep would miss their orders and withdraw them.
    DeliveryState.objects.update_or_create(
        pk=1, defaults={"sweep_due_at": timezone.now() + timedelta(days=2)}
    )
    Registration.objects.bulk_create(
        Registration(
            order_ref=f"order-{person}",
            seat_key="item:1",
            mapping=mapping,
            remote_product_id=product,
            remote_user_id=person,
            learner_key=person,
            firstname="Ada",
            lastname="Sample",
            email=f"{person}@example.org",
            email_key=f"{person}@example.org",
            amount_paid="120.00",
            due_at=timezone.now(),
        )
        for person in people
    )


def at_rest() -> bool:
    """Whether delivery has nothing more to do by itself."""
    return not (Registration.objects.exclude(due_at=None).exists() or OrderMark.objects.exists())


def expire_leases() -> None:
    """Let the time pass that the leases of workers run, which by now are dead."""
    past = timezone.now() - timedelta(seconds=1)
    Registration.objects.exclude(claim_token=None).update(due_at=past)


class Tally:
    """Lost and doubled registrations, as the fake Elevate's own store shows them."""

    def __init__(self, elevate: FakeElevate, people: list[str]) -> None:
        self.live = Counter(held.remote_user_id for held in elevate.live())
        self.people = people
        self.lost = [person for person in people if not self.live[person]]
        self.doubled = {person: count - 1 for person, count in self.live.items() if count > 1}
        self.unsold = self.live.keys() - set(people)

    def report(self, title: str, **more: Any) -> None:
        """Print the counts, for whoever runs with -s."""
        counts = {
            "registrations": len(self.people),
            "lost": len(self.lost),
            "doubled": sum(self.doubled.values()),
            **more,
        }
        print(
            f"\n{title}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in counts.items())
        )

    def check(self, *, most_doubled: int) -> None:
        """Nobody is lost, and nobody doubled without a lost answer on record."""
        assert not self.lost
        assert not self.unsold
        assert sum(self.doubled.values()) <= most_doubled, self.doubled
        for person, extra in self.doubled.items():
            attempts = Registration.objects.get(remote_user_id=person).attempts
            assert attempts.filter(outcome=Outcome.UNKNOWN).count() >= extra, person


def decide_doubts(elevate: FakeElevate) -> int:
    """Do what the office does with registrations in doubt: look in Elevate, then record the ID or send again."""
    doubtful = list(Registration.objects.filter(status="unconfirmed", wanted=True, due_at=None))
    for row in doubtful:
        ids = [held.registration_id for held in elevate.live() if held.remote_user_id == row.remote_user_id]
        if ids:
            acted = staff.mark_registered(row.pk, str(ids[-1]), actor="eve")
        else:
            acted = staff.retry([row.pk], actor="eve")
        assert acted.done == [row.pk], acted
    return len(doubtful)
