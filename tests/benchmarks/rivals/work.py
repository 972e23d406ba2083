"""The job that every rival runs: read the row, POST it, save the registration ID."""

from __future__ import annotations

import threading
from typing import Any

import requests
from django.conf import settings

_here = threading.local()


def _post(url: str, **options: Any) -> requests.Response:
    """POST over a session of this thread, or over none where the benchmark measures that."""
    if not settings.BENCH_SESSION:
        return requests.post(url, verify=settings.BENCH_CA, timeout=60, **options)
    if not hasattr(_here, "session"):
        _here.session = requests.Session()
        _here.session.trust_env = False
        _here.session.verify = settings.BENCH_CA
    return _here.session.post(url, timeout=60, **options)


def register(pk: int) -> None:
    """Register one sale."""
    from tests.benchmarks.rivals.models import Sale

    sale = Sale.objects.get(pk=pk)
    answer = _post(
        f"{settings.BENCH_URL}/api/registrations",
        json={
            "api_key": "test-key",
            "remote_user_id": sale.person_id,
            "firstname": sale.first_name,
            "lastname": sale.last_name,
            "email": sale.email,
            "remote_product_id": sale.course,
            "amount_paid": "120.00",
            "send_email": False,
        },
    )
    answer.raise_for_status()
    sale.registration_id = str(answer.json()["registration_id"])
    sale.save(update_fields=["registration_id"])
