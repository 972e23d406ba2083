"""A member with names that nobody else has, so that every trace of them can be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from elevate_integration.models import Attempt, Registration, SeatAssignment, database
from elevate_integration.sync import SyncResult, sync_order
from tests.plainshop.models import Invoice, Item

MEMBER = "MEMBER-4711"
EMAIL = "Zebulon.Quint@example.org"
PERSON = {"person_id": MEMBER, "first_name": "Zebulon", "last_name": "Quint", "email": EMAIL}
_TRACES = (MEMBER.lower(), "zebulon", "quint")


@pytest.fixture(autouse=True)
def patient(elevate, settings) -> None:
    """What failed for a while stays away for a while, so that delivering once comes to an end."""
    settings.ELEVATE = {**settings.ELEVATE, "RETRY_FIRST": 60.0, "RETRY_CEILING": 600.0}


@pytest.fixture
def registered(transactional_db, sell, deliver) -> Callable[..., Invoice]:
    """Sell a course to the member and register him."""

    def make(*courses: str, **person: Any) -> Invoice:
        invoice = sell(*courses, **{**PERSON, **person})
        deliver()
        return invoice

    return make


def only() -> Registration:
    return Registration.objects.get()


def statuses() -> list[str]:
    return list(Registration.objects.order_by("pk").values_list("status", flat=True))


def age(days: float) -> None:
    """Let everything be so many days older."""
    past = timezone.now() - timedelta(days=days)
    Registration.objects.update(updated_at=past, created_at=past)
    Attempt.objects.update(finished_at=past)
    SeatAssignment.objects.update(entered_at=past)


def traces(*besides: str) -> list[str]:
    """Give what our tables and the admin's history still say of the member: `Model.field: value`."""
    models = [*apps.get_app_config("elevate_integration").get_models(), LogEntry]
    return list(_traces(models, (*_TRACES, *besides)))


def _traces(models: list[Any], texts: tuple[str, ...]) -> Iterator[str]:
    for model in models:
        for row in model._default_manager.using(database()).values():
            for name, value in row.items():
                if any(text in str(value).lower() for text in texts):
                    yield f"{model.__name__}.{name}: {value}"


def resync(invoice: Invoice) -> SyncResult:
    return sync_order(invoice.pk, trigger="staff")


def refund(invoice: Invoice, deliver: Callable[[], int]) -> None:
    """Give the money back, and let what follows from it happen."""
    Item.objects.filter(invoice=invoice).update(refunded=True)
    invoice.save()
    deliver()
    deliver()
