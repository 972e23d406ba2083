"""The accounts of a host by their e-mail addresses, for the ready sources. Names the user model inside functions only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models.functions import Lower


def email_field(model: Any) -> str:
    """Name the user model's e-mail field."""
    return str(model.get_email_field_name()) if hasattr(model, "get_email_field_name") else "email"


def active_users_by_email(emails: Collection[str]) -> dict[str, Any]:
    """Find the active accounts of e-mail addresses, under the addresses as asked for, with one query.

    Two accounts with one address are nobody's; a user model without an address has none.
    """
    model: Any = get_user_model()
    name = email_field(model)
    if not any(field.name == name for field in model._meta.get_fields()):
        return {}
    wanted = {email: email.strip().lower() for email in emails if email.strip()}
    rows = model._base_manager.using(router.db_for_write(model)).annotate(elevate_email=Lower(name))
    found: dict[str, list[Any]] = defaultdict(list)
    for user in rows.filter(elevate_email__in=set(wanted.values())):
        if getattr(user, "is_active", True):
            found[user.elevate_email].append(user)
    return {email: found[key][0] for email, key in wanted.items() if len(found[key]) == 1}
