"""Search for registrations, such that a million rows are searched along indexes only."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db import connections
from django.db.models import Q

from elevate_integration.models import Registration, database
from elevate_integration.stand_in import stand_ins

FOUND_AT_MOST = 1000


def find(text: str) -> list[int]:
    """Give the keys of at most 1,000 registrations with this order, registration ID, user ID, e-mail or name.

    Each is compared as a whole: a part of one would mean reading the whole table. Names are found as typed and in
    lower, upper and title case; `Ada Sample` is a first and a last name.
    """
    text = text.replace("\0", "").strip()
    if not text:
        return []
    using = database()
    conditions = [
        Q(order_ref=text),
        Q(registration_id=text),
        Q(learner_key=text),
        Q(email_key__in=(text.casefold(), *stand_ins(text.casefold()))),
        Q(lastname__in=_cases(text)),
    ]
    first, _, last = text.rpartition(" ")
    if first:
        conditions.append(Q(lastname__in=_cases(last), firstname__iexact=first.strip()))
    if connections[using].vendor != "mysql":
        conditions = [reduce(or_, conditions)]
    rows = Registration.objects.using(using).order_by()
    found: set[int] = set()
    for condition in conditions:
        # One by one on MySQL and MariaDB, which may read the whole table for an OR.
        found.update(rows.filter(condition).values_list("pk", flat=True)[:FOUND_AT_MOST])
    return sorted(found, reverse=True)[:FOUND_AT_MOST]


def _cases(text: str) -> set[str]:
    return {text, text.lower(), text.upper(), text.title(), text.capitalize()}
