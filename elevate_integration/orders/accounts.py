"""The accounts of a host as learners, for the ready sources. Names the user model inside functions only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.db import router
from django.db.models.functions import Lower

from elevate_integration.conf import remote_user_id
from elevate_integration.orders.source import Learner, OrderSource


class AccountSource(OrderSource):
    """A source whose members are users of the site."""

    # What to read with a user: the relations that REMOTE_USER_ID goes through on this host.
    read_with_user: ClassVar[tuple[str, ...]] = ()

    def learner_for(self, user: Any) -> Learner | None:
        """Give a log-in as a learner; every one of the site may be one."""
        return learner_of(user) if getattr(user, "is_authenticated", False) else None

    def learner_by_email(self, email: str) -> Learner | None:
        """Find an active account by its e-mail address."""
        return self.learners_by_email([email]).get(email)

    def learners_by_email(self, emails: Collection[str]) -> Mapping[str, Learner]:
        """Find active accounts by their e-mail addresses, with one query."""
        users = users_by_email(emails, related=self.read_with_user)
        found = {email: learner_of(user) for email, user in users.items()}
        return {email: learner for email, learner in found.items() if learner is not None}


def learner_of(user: Any, typed: Learner | None = None) -> Learner | None:
    """Give a user, or None, as a learner: what was typed for the seat counts, and the account fills the gaps.

    None when nothing is known of anybody. A user without the related row that REMOTE_USER_ID asks for, a profile
    say, has no ID yet: the place is held. A user model may lack names, e-mail or both.
    """
    given = typed or Learner("")
    learner = Learner(
        given.remote_user_id or _user_id(user),
        first_name=given.first_name or _text(user, "first_name"),
        last_name=given.last_name or _text(user, "last_name"),
        email=given.email or _text(user, email_field(user)),
    )
    return learner if any(vars(learner).values()) else None


def _user_id(user: Any) -> str:
    try:
        return remote_user_id(user)
    except ObjectDoesNotExist:
        return ""


def _text(user: Any, name: str) -> str:
    return str(getattr(user, name, "") or "")


def email_field(user: Any) -> str:
    """Name the e-mail field of a user or of the user model."""
    return str(user.get_email_field_name()) if hasattr(user, "get_email_field_name") else "email"


def users_by_email(
    emails: Collection[str], *, related: Collection[str] = (), inactive: bool = False
) -> dict[str, Any]:
    """Find the accounts of e-mail addresses, under the addresses as asked for, with one query.

    Two accounts with one address are nobody's; a user model without an address has none.
    related: relations of the user to read at the same time. inactive: whether deactivated accounts count.
    """
    model: Any = get_user_model()
    name = email_field(model)
    if not any(field.name == name for field in model._meta.get_fields()):
        return {}
    wanted = {email: email.strip().lower() for email in emails if email.strip()}
    rows = model._base_manager.using(router.db_for_write(model)).annotate(elevate_email=Lower(name))
    if related:
        rows = rows.select_related(*related)
    found: dict[str, list[Any]] = defaultdict(list)
    for user in rows.filter(elevate_email__in=set(wanted.values())):
        if inactive or getattr(user, "is_active", True):
            found[user.elevate_email].append(user)
    return {email: found[key][0] for email, key in wanted.items() if len(found[key]) == 1}
