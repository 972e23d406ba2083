"""A log-in that no database can look for is refused like any other wrong one."""

from __future__ import annotations

import base64

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_user_name_with_a_nul_is_refused():
    header = "Basic " + base64.b64encode(b"a\x00b:secret").decode()
    answer = Client(headers={"Authorization": header}).get("/api/v1/mappings/")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
