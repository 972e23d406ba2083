"""Rows that are due, without a shop around them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from elevate_integration.models import DeliveryState, ProductMapping, Registration


def ago(seconds: float) -> Any:
    """The moment so many seconds ago."""
    return timezone.now() - timedelta(seconds=seconds)


@pytest.fixture
def make_due(transactional_db, elevate) -> Callable[..., Registration]:
    """Write a registration that is wanted and due, each for another learner unless told otherwise."""
    mappings: dict[str, ProductMapping] = {}
    # There is no shop behind these rows: a sweep would miss their orders and withdraw them.
    DeliveryState.objects.update_or_create(pk=1, defaults={"sweep_due_at": ago(-3600)})

    def make(product: str = "ABCD1234", **fields: Any) -> Registration:
        number = Registration.objects.count() + 1
        if product not in mappings:
            mappings[product] = ProductMapping.objects.create(
                product_key=f"course:{product}", remote_product_id=product
            )
        user = fields.pop("remote_user_id", f"M-{number}")
        defaults: dict[str, Any] = {
            "order_ref": str(number),
            "seat_key": "item:1",
            "mapping": mappings[product],
            "remote_product_id": product,
            "remote_user_id": user,
            "learner_key": user,
            "firstname": "Ada",
            "lastname": "Sample",
            "email": f"{user}@example.org",
            "email_key": f"{user}@example.org".lower(),
            "amount_paid": "120.00",
            "due_at": ago(100 - number),
        }
        row = Registration(**{**defaults, **fields})
        row.status = row.state.status
        row.save()
        return row

    return make


@pytest.fixture
def make_live(make_due, elevate) -> Callable[..., Registration]:
    """Write a registration that Elevate holds, by registering it."""
    from elevate_integration.delivery.worker import Worker

    def make(**fields: Any) -> Registration:
        row = make_due(**fields)
        Worker(threads=1).run_once(sweeping=False)
        row.refresh_from_db()
        assert row.status == "registered"
        return row

    return make
