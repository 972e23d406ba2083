"""Which days there are to compare, before there are any."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from elevate_integration.reconcile.days import last_days, not_done, today

pytestmark = pytest.mark.django_db


def test_on_the_go_live_date_there_is_no_day_to_compare_and_on_the_next_there_is_one(
    settings, django_assert_num_queries
):
    settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": timezone.now()}
    with django_assert_num_queries(0):
        assert not_done(last_days(), "https://lms.example") == []
    settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": timezone.now() - timedelta(days=1)}
    assert not_done(last_days(), "https://lms.example") == [today() - timedelta(days=1)]
