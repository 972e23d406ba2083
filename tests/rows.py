"""Makes rows in every state for tests, without any order behind them, and people who may do so much."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import ProductMapping, Registration

_numbers = count(1)


def make_mapping(**fields: Any) -> ProductMapping:
    """Make a mapping of the course Ethics."""
    start = {"product_key": "course:ETHICS", "product_title": "Ethics", "remote_product_id": "ABCD1234"}
    return ProductMapping.objects.create(**{**start, **fields})


def make_row(mapping: ProductMapping, **fields: Any) -> Registration:
    """Make a registration. What is not named fits a paid seat that Elevate does not know yet."""
    number = next(_numbers)
    start = {
        "order_ref": str(9000 + number),
        "seat_key": "item:1",
        "mapping": mapping,
        "remote_product_id": mapping.remote_product_id,
        "learner_key": f"M-{number}",
        "remote_user_id": f"M-{number}",
        "firstname": "Ada",
        "lastname": f"Sample{number}",
        "email": f"ada{number}@example.org",
        "product_title": mapping.product_title,
        "wanted": True,
    }
    if fields.get("at_elevate") in (AtElevate.PRESENT, AtElevate.LEAVING):
        start |= {
            "registered_at": timezone.now(),
            "registration_id": str(1000 + number),
            "site": "https://elevate.example",
        }
    row = Registration(**{**start, **fields})
    row.status = row.state.status
    row.save()
    return row


def make_person(name: str, *codenames: str, **fields: Any) -> Any:
    """Make somebody with exactly these permissions of ours; with a name that is none, the test fails."""
    user = get_user_model().objects.create_user(name, "secret", **fields)
    found = Permission.objects.filter(content_type__app_label="elevate_integration", codename__in=codenames)
    assert found.count() == len(codenames)
    user.user_permissions.set(found)
    return user
