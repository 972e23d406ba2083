"""Plays every scenario, delivers over HTTP, and compares with what the fake Elevate says it holds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from elevate_integration.delivery import queue
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import ProductMapping, Registration, UnmappedSale
from example_project.demo.scenarios import Held, Scenario, Stage, scenarios
from example_project.store.models import Product

_LONGEST_WAIT = 5.0


@dataclass(frozen=True)
class Proof:
    """How one scenario ended. wrong: in words, what is not as it must be."""

    scenario: Scenario
    ours: tuple[str, ...]
    unmapped: int
    theirs: tuple[Held, ...]
    words: str
    wrong: str


def deliver() -> None:
    """Deliver what is due, and what falls due within seconds (a cancel waits for its second read)."""
    while True:
        made = Worker().run_once(sweeping=False)
        seconds = queue.ahead().next
        stuck = seconds is not None and seconds <= 0 and not made
        if seconds is None or seconds > _LONGEST_WAIT or stuck:
            return
        time.sleep(max(seconds, 0.01))


def prove(elevate_url: str) -> Iterator[Proof]:
    """Play all scenarios, then ask Elevate over HTTP."""
    played: list[tuple[Scenario, Stage]] = []
    for number, scenario in enumerate(_scenarios(), start=101):
        stage = Stage(number, deliver)
        scenario.play(stage)
        played.append((scenario, stage))
    deliver()
    held = _held(elevate_url)
    for scenario, stage in played:
        yield _compare(scenario, stage, held)


def _scenarios() -> list[Scenario]:
    products: dict[str, tuple[str, ...]] = {}
    for mapping in ProductMapping.objects.order_by("pk"):
        products[mapping.product_key] = (*products.get(mapping.product_key, ()), mapping.remote_product_id)
    prices = {product.sku: f"{product.price:.2f}" for product in Product.objects.all()}
    return scenarios(products, prices)


def _held(elevate_url: str) -> list[dict[str, Any]]:
    with urlopen(f"{elevate_url}/_fake/registrations", timeout=10) as answer:  # noqa: S310 - our own loopback address
        found: list[dict[str, Any]] = json.load(answer)["registrations"]
    return found


def _compare(scenario: Scenario, stage: Stage, held: list[dict[str, Any]]) -> Proof:
    rows = list(Registration.objects.filter(order_ref__in=stage.orders).order_by("pk"))
    users = {row.remote_user_id for row in rows if row.remote_user_id} | {stage.member.member_number}
    theirs = tuple(
        Held(one["remote_product_id"], str(one["amount_paid"]), bool(one["cancelled"]))
        for one in held
        if one["remote_user_id"] in users
    )
    ours = tuple(row.status for row in rows)
    unmapped = UnmappedSale.objects.open().filter(order_ref__in=stage.orders).count()
    words = "; ".join(text for row in rows for _, text in row.error_messages)
    wrong = []
    if sorted(ours) != sorted(scenario.ours):
        wrong.append(f"our status should be {', '.join(scenario.ours) or 'none'}")
    if sorted(theirs, key=str) != sorted(scenario.theirs, key=str):
        wrong.append(f"Elevate should hold {describe(scenario.theirs)}")
    if unmapped != scenario.unmapped:
        wrong.append(f"{scenario.unmapped} unmapped sales should be listed")
    if scenario.says not in words:
        wrong.append(f"Elevate's words should be “{scenario.says}”")
    return Proof(scenario, ours, unmapped, theirs, words, ", ".join(wrong))


def describe(held: tuple[Held, ...]) -> str:
    """Say in a few words what Elevate holds."""
    if not held:
        return "none"
    live = [one for one in held if not one.cancelled]
    parts = [f"{len(live)} live ({', '.join(one.amount for one in live)})"] if live else []
    if len(held) > len(live):
        parts.append(f"{len(held) - len(live)} cancelled")
    return ", ".join(parts)
