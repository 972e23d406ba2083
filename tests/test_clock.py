"""The database's clock, in the form in which Django stores datetimes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from elevate_integration.clock import DatabaseNow, database_now
from elevate_integration.models import OrderMark

pytestmark = pytest.mark.django_db


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT CAST(due_at AS CHAR(40)) FROM {OrderMark._meta.db_table}")  # noqa: S608
        return cursor.fetchone()[0]


def test_the_database_says_what_time_it_is():
    assert abs(database_now("default") - timezone.now()) < timedelta(minutes=5)


@pytest.mark.parametrize("seconds", [-3600.5, 0.0, 90.25])
def test_seconds_are_added(seconds):
    OrderMark.objects.create(order_ref="1", due_at=timezone.now())
    OrderMark.objects.update(due_at=DatabaseNow(seconds))
    difference = OrderMark.objects.get().due_at - database_now("default")
    assert abs(difference - timedelta(seconds=seconds)) < timedelta(minutes=1)


def test_a_moment_from_the_database_is_stored_as_django_stores_it():
    """SQLite compares text: in another form, a moment would not be due in its own millisecond."""
    OrderMark.objects.create(order_ref="1", due_at=timezone.now())
    for _ in range(3):
        OrderMark.objects.update(due_at=DatabaseNow())
        by_the_database, moment = stored(), OrderMark.objects.get().due_at
        OrderMark.objects.update(due_at=moment)
        # Python leaves the fraction out on a full second; that still compares rightly.
        assert stored() == by_the_database or not moment.microsecond


def test_what_is_due_at_this_very_moment_is_due():
    OrderMark.objects.create(order_ref="1", due_at=database_now("default"))
    assert OrderMark.objects.due().exists()
