"""One UPDATE for a group of rows, on every database, with every kind of value that our rows hold."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration.bulk import Changes, insert
from elevate_integration.models import Attempt, ProductMapping, Registration

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = (
    "due_at",
    "claim_token",
    "wanted",
    "doubts",
    "error_messages",
    "cancel_details",
    "status",
    "product_url",
)


@pytest.fixture
def rows() -> list[Registration]:
    mapping = ProductMapping.objects.create(product_key="x", remote_product_id="X")
    for n in range(3):
        Registration.objects.create(
            order_ref=str(n), seat_key="1", mapping=mapping, remote_product_id="X", learner_key=f"M-{n}"
        )
    return list(Registration.objects.order_by("pk"))


def test_each_row_gets_its_own_values_with_one_update(rows):
    now = timezone.now().replace(microsecond=0)
    changes = Changes(rows, NAMES)
    rows[0].due_at, rows[0].claim_token, rows[0].wanted = now, uuid.uuid4(), False
    rows[1].error_messages = [["product", "O'Hara said “no”, {not} 100 %"]]
    rows[1].cancel_details = {"explanation": "été", "notify": False}
    rows[2].doubts, rows[2].status, rows[2].due_at = 2, "refused", now + timedelta(hours=1)
    with CaptureQueriesContext(connection) as queries:
        changes.write("default")
    assert len([q for q in queries if q["sql"].upper().lstrip().startswith("UPDATE")]) == 1
    for row, again in zip(rows, Registration.objects.order_by("pk"), strict=True):
        assert [getattr(row, name) for name in NAMES] == [getattr(again, name) for name in NAMES]


def test_values_may_go_back_to_none(rows):
    Registration.objects.update(claim_token=uuid.uuid4(), due_at=timezone.now(), cancel_details={"a": 1})
    rows = list(Registration.objects.order_by("pk"))
    changes = Changes(rows, NAMES)
    for row in rows:
        row.claim_token = row.due_at = row.cancel_details = None
    changes.write("default")
    assert set(Registration.objects.values_list("claim_token", "due_at")) == {(None, None)}
    assert [row.cancel_details for row in Registration.objects.all()] == [None] * 3


def test_a_value_may_go_back_to_none_in_one_row_of_several(rows):
    Registration.objects.update(due_at=timezone.now(), cancel_details={"a": 1})
    rows = list(Registration.objects.order_by("pk"))
    changes = Changes(rows, NAMES)
    rows[0].due_at = rows[0].cancel_details = None
    rows[1].cancel_details = {"b": 2}
    rows[2].doubts = 1
    changes.write("default")
    assert [row.cancel_details for row in Registration.objects.order_by("pk")] == [None, {"b": 2}, {"a": 1}]
    assert Registration.objects.filter(due_at=None, cancel_details__isnull=True).count() == 1


def test_what_all_rows_have_in_common_is_written_once(rows):
    changes = Changes(rows, NAMES)
    token = uuid.uuid4()
    for number, row in enumerate(rows):
        row.claim_token, row.doubts, row.error_messages = token, number, [["product", "closed"]]
    with CaptureQueriesContext(connection) as queries:
        changes.write("default")
    [update] = [q["sql"] for q in queries if q["sql"].upper().lstrip().startswith("UPDATE")]
    assert update.count("closed") == 1
    assert set(Registration.objects.values_list("pk", "claim_token", "doubts")) == {
        (row.pk, token, number) for number, row in enumerate(rows)
    }
    assert {str(row.error_messages) for row in Registration.objects.all()} == {"[['product', 'closed']]"}


def test_more_rows_than_a_statement_may_have_parameters_are_written_in_parts(rows, monkeypatch):
    monkeypatch.setattr(connection.ops, "bulk_batch_size", lambda fields, given: 2)
    changes = Changes(rows, NAMES)
    for number, row in enumerate(rows):
        row.doubts, row.status = number + 1, "refused"
    changes.write("default")
    assert list(Registration.objects.order_by("pk").values_list("doubts", "status")) == [
        (1, "refused"),
        (2, "refused"),
        (3, "refused"),
    ]


def test_columns_that_nobody_changed_are_left_to_others(rows):
    changes = Changes(rows, NAMES)
    Registration.objects.update(product_url="https://demo.example/x")
    rows[0].doubts = 1
    changes.write("default")
    assert set(Registration.objects.values_list("product_url", flat=True)) == {"https://demo.example/x"}


def test_nothing_changed_means_no_query(rows):
    with CaptureQueriesContext(connection) as queries:
        Changes(rows, NAMES).write("default")
    assert not len(queries)


def test_new_rows_come_in_with_one_insert_and_every_kind_of_value(rows):
    now = timezone.now()
    made = [
        Attempt(
            registration=rows[0], operation="register", outcome="done", started_at=now, finished_at=now, duration=0.25,
            sent={"firstname": "Zoë “Q” O'Hara", "extra": [1, None, True]}, status_code=200, messages=[["a", "b"]],
            answered_id="48211", body='{"registration_id": 48211}',
        ),
        Attempt(registration=rows[1], operation="cancel", outcome="unknown", finished_at=now, note="100 % {lost}"),
    ]  # fmt: skip
    with CaptureQueriesContext(connection) as queries:
        insert(made, "default")
    assert len([q for q in queries if q["sql"].upper().lstrip().startswith("INSERT")]) == 1
    names = [field.attname for field in Attempt._meta.concrete_fields if not field.primary_key]
    for given, stored in zip(made, Attempt.objects.order_by("pk"), strict=True):
        assert [getattr(given, name) for name in names] == [getattr(stored, name) for name in names]


def test_only_rows_that_nobody_has_written_since_their_version_was_noted_are_written(rows):
    first = Changes(rows, NAMES)
    for row in rows:
        row.doubts = 1
    first.write("default", noting=True)
    if connection.vendor != "postgresql":
        assert not any(row.version for row in rows), "only PostgreSQL tells whether a row was written"
        return
    Registration.objects.filter(pk=rows[1].pk).update(status="refused")
    with transaction.atomic():
        Registration.objects.select_for_update().get(pk=rows[2].pk)
    second = Changes(rows, NAMES)
    for row in rows[:2]:
        row.doubts = 2
    rows[2].doubts = 3
    written = second.write_unless_changed("default")
    assert written == {rows[0].pk, rows[2].pk}, "a lock is no write"
    stand = list(Registration.objects.order_by("pk").values_list("doubts", "status"))
    assert stand == [(2, "pending"), (1, "refused"), (3, "pending")]


def test_a_row_whose_version_was_not_noted_has_none(rows):
    changes = Changes(rows, NAMES)
    rows[0].doubts = 1
    changes.write("default")
    assert not rows[0].version
    assert Changes(rows, NAMES).write_unless_changed("default") == set(), "nothing differs"
