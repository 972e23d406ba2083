"""The admin's list of registrations over a million rows: queries, no full count, and the time of the first page."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from statistics import median

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from elevate_integration.models import Registration
from tests.benchmarks import fill
from tests.benchmarks.report import Line, at_most

_QUERIES, _SECONDS = 10, 0.3
_FULL_COUNT = re.compile(r'^SELECT COUNT\(\*\) AS "__count" FROM "elevate_integration_registration"$')


def _visit(client: Client, address: str) -> tuple[float, list[str]]:
    with CaptureQueriesContext(connection) as captured:
        started = time.perf_counter()
        answer = client.get(address)
        spent = time.perf_counter() - started
    assert answer.status_code == 200, (address, answer.status_code)
    return spent, [query["sql"] for query in captured]


def _pages(rows: int) -> dict[str, tuple[str, bool]]:
    """Name the pages: what follows the list's address, and whether a target holds for it."""
    today = timezone.now().date()
    return {
        "first page": ("", True),
        "second page": ("?p=2", False),
        "status registered": ("?status=registered", False),
        "status refused, which none has": ("?status=refused", False),
        "product": (f"?mapping={fill.mapping().pk}", False),
        "a week": (f"?created_from={today - timedelta(days=7)}&created_to={today}", False),
        "search for an order": (f"?q={rows // 2}", False),
        "search for an e-mail address": (f"?q=m{rows // 3}@example.org", False),
        "search for nothing": ("?q=nobody-has-this", False),
    }


def run(*, small: bool) -> list[Line]:
    """Fetch the list as a superuser, plain, filtered and searched."""
    rows = 20_000 if small else 1_000_000
    fill.empty()
    fill.registered(rows)
    users = get_user_model().objects
    user = users.filter(is_superuser=True).first() or users.create_superuser("bench", password="bench")
    client = Client()
    client.force_login(user)
    address = reverse("admin:elevate_integration_registration_changelist")
    found: list[Line] = []
    for name, (query, judged) in _pages(rows).items():
        visits = [_visit(client, address + query) for _ in range(2 if small else 5)]
        seconds = median(spent for spent, _ in visits[1:])
        queries = visits[-1][1]
        counts = sum(bool(_FULL_COUNT.match(text)) for text in queries)
        if judged:
            found.append(at_most("list", f"{name}: queries", len(queries), _QUERIES, "{:.0f}"))
            found.append(at_most("list", f"{name}: counts of the whole table", counts, 0, "{:.0f}"))
            found.append(at_most("list", f"{name}, {rows} rows", seconds * 1e3, _SECONDS * 1e3, "{:.0f} ms"))
        else:
            found.append(
                Line(
                    "list",
                    name,
                    f"{seconds * 1e3:.0f} ms, {len(queries)} queries, {counts} counts of the whole table",
                )
            )
    assert Registration.objects.count() == rows
    return found
