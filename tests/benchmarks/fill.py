"""Fills tables by SQL: a million rows take seconds, and look like what sync and settle would have written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Model

from elevate_integration.clock import database_now
from elevate_integration.lifecycle import AtElevate, Status
from elevate_integration.models import DeliveryState, OrderMark, ProductMapping, Registration, TrackedOrder
from tests.plainshop.models import Invoice, Item

COURSE = "ABCD1234"
_STEP = 250_000


def mapping() -> ProductMapping:
    """Give the mapping of the one course."""
    return ProductMapping.objects.get_or_create(
        product_key="course:ETHICS", defaults={"product_title": "ETHICS", "remote_product_id": COURSE}
    )[0]


def empty() -> None:
    """Start from nothing but the mapping, with no sweep due."""
    with connection.cursor() as cursor:
        tables = [m._meta.db_table for m in (Registration, OrderMark, TrackedOrder, Item, Invoice)]
        attempts = "elevate_integration_attempt"
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join([attempts, *tables])} CASCADE")
        else:
            for table in [attempts, *tables]:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - names from our models
    mapping()
    no_sweep()


def no_sweep() -> None:
    """Put the next sweep into the next year."""
    now = database_now("default")
    DeliveryState.objects.update_or_create(
        pk=1, defaults={"sweep_due_at": now.replace(day=1, year=now.year + 1)}
    )


def registered(count: int) -> None:
    """Have registrations 1 to `count` that are done, one for each order of `orders`; those there already stay."""
    there = Registration.objects.filter(at_elevate=AtElevate.PRESENT).count()
    _registrations(there + 1, count, at_elevate=AtElevate.PRESENT)
    analyse()


def due(first: int, last: int) -> None:
    """Make registrations that wait to be sent."""
    _registrations(first, last, at_elevate=AtElevate.ABSENT)
    analyse()


def orders(count: int) -> None:
    """Make invoices 1 to `count` with one item each: nine in ten changed 30 days ago, the rest now."""
    Item.objects.all().delete()
    Invoice.objects.all().delete()
    now = database_now("default")
    old = count * 9 // 10
    for first, last, moment in ((1, old, now - timedelta(days=30)), (old + 1, count, now)):
        _insert(Invoice, Invoice(state="paid", issued=now, touched=moment), {"id": "g.n"}, first, last)
    who = _person("person_id", "first_name", "last_name", "email")
    _insert(Item, Item(course="ETHICS", price="120.00"), {"id": "g.n", "invoice_id": "g.n", **who}, 1, count)
    analyse()


def analyse() -> None:
    """Have the planner know the tables as they are now, as on a site that has run for a while."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM (ANALYZE)")
            # What was filled in is written out now, and not for minutes beside what is measured next.
            cursor.execute("CHECKPOINT")
            return
        for model in (Registration, OrderMark, DeliveryState):
            cursor.execute(f"ANALYZE TABLE {model._meta.db_table}")
            cursor.fetchall()


def _person(user_id: str, first: str, last: str, email: str) -> dict[str, str]:
    return {
        user_id: "CONCAT('M-', g.n)",
        first: "'Ada'",
        last: "CONCAT('Sample', g.n)",
        email: "CONCAT('m', g.n, '@example.org')",
    }


def _registrations(first: int, last: int, *, at_elevate: AtElevate) -> None:
    now = database_now("default")
    row = Registration(
        mapping=mapping(), remote_product_id=COURSE, amount_paid="120.00", product_title="ETHICS",
        at_elevate=at_elevate, created_at=now, updated_at=now, trigger="mark",
    )  # fmt: skip
    varied = {
        "order_ref": "CONCAT('', g.n)",
        "seat_key": "CONCAT('item:', g.n)",
        "learner_key": "CONCAT('M-', g.n)",
        "email_key": "CONCAT('m', g.n, '@example.org')",
        **_person("remote_user_id", "firstname", "lastname", "email"),
    }
    if at_elevate == AtElevate.PRESENT:
        row.status, row.registered_at, row.site = Status.REGISTERED, now, "https://demo.example"
        row.product_url = "https://demo.example/products/x?force_login=1"
        varied["registration_id"] = "CONCAT('', 1000 + g.n)"
    else:
        row.due_at = now
    _insert(Registration, row, varied, first, last)


def _insert(model: type[Model], row: Model, varied: dict[str, str], first: int, last: int) -> None:
    """Insert copies of `row` with the columns in `varied` worked out from the number `g.n`."""
    fields = [f for f in model._meta.concrete_fields if f.column in varied or not f.primary_key]
    columns = ", ".join(connection.ops.quote_name(f.column) for f in fields)
    values: list[Any] = []
    shown = []
    for field in fields:
        if field.column in varied:
            shown.append(varied[field.column])
            continue
        shown.append("%s")
        values.append(field.get_db_prep_save(getattr(row, field.attname), connection))
    for start in range(first, last + 1, _STEP):
        stop = min(start + _STEP - 1, last)
        numbers = (
            f"generate_series({start}, {stop}) AS g(n)"
            if connection.vendor == "postgresql"
            else f"(SELECT seq AS n FROM seq_{start}_to_{stop}) AS g"  # noqa: S608 - numbers
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {', '.join(shown)} FROM {numbers}",  # noqa: S608
                values,
            )
