"""Index operations that leave a store selling: on PostgreSQL while an order is open, on the others the plain ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import NotSupportedError, OperationalError, connection, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from elevate_integration.models import OrderMark
from elevate_integration.online import AddIndexOnline, RemoveIndexOnline
from tests.postgresql import only_postgresql
from tests.threads import LONG, beside

APP = "elevate_integration"
INDEX = models.Index(fields=["order_ref", "due_at"], name="elevate_mark_later")

pytestmark = pytest.mark.django_db(transaction=True)


def apply(operation: Any, *, backwards: bool = False, atomic: bool = False, **state: Any) -> None:
    """Run one operation as a migration does."""
    before = MigrationLoader(None).project_state()
    for earlier in state.get("after", ()):
        earlier.state_forwards(APP, before)
    after = before.clone()
    operation.state_forwards(APP, after)
    with connection.schema_editor(atomic=atomic) as editor:
        if backwards:
            operation.database_backwards(APP, editor, after, before)
        else:
            operation.database_forwards(APP, editor, before, after)


def columns() -> list[str] | None:
    """Give the columns of the index; None when it is not there."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, OrderMark._meta.db_table).get(INDEX.name)
    return None if found is None else found["columns"]


@pytest.fixture(autouse=True)
def _leave_no_index() -> Iterator[None]:
    yield
    if columns() is not None:
        with connection.schema_editor() as editor:
            editor.remove_index(OrderMark, INDEX)


def test_an_index_is_built_and_dropped_there_and_back():
    add = AddIndexOnline("ordermark", INDEX)
    remove = RemoveIndexOnline("ordermark", INDEX.name)
    apply(add)
    assert columns() == ["order_ref", "due_at"]
    apply(remove, after=[add])
    assert columns() is None
    apply(remove, after=[add], backwards=True)
    assert columns() == ["order_ref", "due_at"]
    apply(add, backwards=True)
    assert columns() is None


def test_where_our_tables_do_not_live_nothing_is_built(settings):
    settings.DATABASE_ROUTERS = ["tests.test_online.Elsewhere"]
    apply(AddIndexOnline("ordermark", INDEX))
    assert columns() is None


class Elsewhere:
    """Keeps our tables out of this database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return app_label != APP


def test_a_migration_is_written_with_the_operation_by_its_own_name():
    name, args, kwargs = AddIndexOnline("ordermark", INDEX).deconstruct()
    assert (name, args) == ("AddIndexOnline", [])
    assert kwargs == {"model_name": "ordermark", "index": INDEX}


@only_postgresql
@pytest.mark.parametrize(
    "operation", [AddIndexOnline("ordermark", INDEX), RemoveIndexOnline("ordermark", INDEX.name)]
)
def test_inside_a_transaction_it_is_refused(operation):
    earlier = [AddIndexOnline("ordermark", INDEX)] if isinstance(operation, RemoveIndexOnline) else []
    with pytest.raises(NotSupportedError, match="atomic = False"):
        apply(operation, atomic=True, after=earlier)


@only_postgresql
def test_what_a_broken_off_build_left_is_dropped_first():
    apply(AddIndexOnline("ordermark", INDEX))
    with connection.cursor() as cursor:
        broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass"
        cursor.execute(broken, [INDEX.name])
    apply(AddIndexOnline("ordermark", INDEX))
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [INDEX.name])
        assert cursor.fetchone() == (True,)


def wait_for_a_build_that_waits() -> None:
    """Return when another connection waits for a lock to build our index."""
    deadline = time.monotonic() + LONG
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%'
    """
    with connection.cursor() as cursor:
        while True:
            # Else a transaction sees what it saw first.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(query)
            if cursor.fetchone() == (1,):
                return
            assert time.monotonic() < deadline, "Nobody builds."
            time.sleep(0.02)


def _sell_while_it_is_built(operation: Any) -> None:
    """Keep one sale open, build beside it, and sell once more meanwhile; the second sale waits a second at most."""

    def first_sale() -> None:
        with transaction.atomic():
            OrderMark.objects.create(order_ref="1", due_at=timezone.now())
            wait_for_a_build_that_waits()
            sold.extend(_second_sale())

    sold: list[str] = []
    with beside(first_sale):
        deadline = time.monotonic() + LONG
        with connection.cursor() as cursor:
            held = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND mode = 'RowExclusiveLock'"
            while True:
                cursor.execute(held, [OrderMark._meta.db_table])
                if cursor.fetchone() != (0,):
                    break
                assert time.monotonic() < deadline, "Nobody sells."
        apply(operation)
    assert sold == ["sold"]


def _second_sale() -> list[str]:
    sold: list[str] = []

    def sell() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1s'")
            OrderMark.objects.create(order_ref="2", due_at=timezone.now())
        sold.append("sold")

    with beside(sell):
        pass
    return sold


@only_postgresql
def test_a_store_sells_while_the_index_is_built():
    _sell_while_it_is_built(AddIndexOnline("ordermark", INDEX))
    assert columns() == ["order_ref", "due_at"]
    assert OrderMark.objects.count() == 2


@only_postgresql
def test_with_the_plain_operation_the_same_store_waits():
    with pytest.raises(AssertionError) as seen:
        _sell_while_it_is_built(migrations.AddIndex("ordermark", INDEX))
    assert OperationalError.__name__ in str(seen.value)
    assert "lock timeout" in str(seen.value)
