"""Plans that PostgreSQL keeps: statements do what they did, and nothing is kept where a session may be lent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from elevate_integration import plans
from elevate_integration.delivery.queue import AtBirth
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.plans import planned_once
from elevate_integration.prepared import Prepared
from elevate_integration.sync import sync_order
from tests.postgresql import only_postgresql, pooler
from tests.threads import LONG, beside, running

pytestmark = pytest.mark.django_db(transaction=True)

MAPPINGS = Prepared(lambda keys: ProductMapping.objects.filter(product_key__in=keys).order_by("pk"))
# More often than psycopg and PostgreSQL wait for before they keep a plan.
OFTEN = 12


@pytest.fixture(autouse=True)
def in_a_new_session() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    connection.close()
    connections["default"].__dict__.pop(plans._PLANS, None)
    plans._lent.clear()


@pytest.fixture
def mapping() -> ProductMapping:
    return ProductMapping.objects.create(product_key="x", remote_product_id="X")


def kept() -> dict[str, int]:
    """Statements that this session has prepared, and how often their kept plans were used."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans FROM pg_prepared_statements")
        return dict(cursor.fetchall())


def ask(times: int = OFTEN) -> None:
    for _ in range(times):
        assert [row.product_key for row in MAPPINGS("default", keys=["x", "y"])] == ["x"]


@only_postgresql
def test_a_statement_that_is_sent_often_is_planned_once(mapping):
    plans.keep("default")
    ask()
    ((statement, used),) = kept().items()
    assert "elevate_integration_productmapping" in statement
    assert used > 0


@only_postgresql
def test_without_leave_nothing_is_kept_and_the_host_s_own_statements_never(mapping):
    ask()
    assert kept() == {}
    plans.keep("default")
    for _ in range(OFTEN):
        assert ProductMapping.objects.filter(product_key="x").exists()
    assert kept() == {}


@only_postgresql
def test_a_setting_turns_it_off(mapping, settings):
    settings.ELEVATE = {**settings.ELEVATE, "KEEP_PLANS": False}
    plans.keep("default")
    ask()
    assert kept() == {}


@only_postgresql
def test_behind_a_pooler_nothing_is_kept(mapping):
    given = connection.settings_dict

    def through_the_pooler() -> None:
        connections["default"] = connections.create_connection("default")
        connections["default"].settings_dict = {**given, "HOST": "127.0.0.1", "PORT": port}
        plans.keep("default")
        ask()
        assert kept() == {}

    with pooler(given["HOST"] or "127.0.0.1", int(given["PORT"] or 5432)) as port, beside(through_the_pooler):
        pass


@only_postgresql
def test_a_new_connection_keeps_nothing_until_it_may(mapping):
    plans.keep("default")
    connection.close()
    ask()
    assert kept() == {}
    plans.keep("default")
    ask()
    assert kept()


@only_postgresql
def test_plans_are_made_anew_now_and_then_and_only_where_they_were_used(mapping):
    plans.keep("default")
    ask()
    for expected in (["DISCARD PLANS"], []):
        with CaptureQueriesContext(connection) as asked:
            plans.keep("default")
        assert [query["sql"] for query in asked] == expected
    ask()
    assert kept(), "what was prepared stays"


@only_postgresql
def test_other_statements_on_the_connection_go_as_before(mapping):
    plans.keep("default")
    raw: Any = connection.connection
    before = raw.cursor_factory, raw.prepare_threshold
    ask()
    with pytest.raises(ProgrammingError), planned_once(connections["default"]), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    assert (raw.cursor_factory, raw.prepare_threshold) == before
    assert connection.connection is raw
    ask()
    assert kept(), "a mistake in a statement is no reason to plan all others again"


@only_postgresql
def test_an_order_is_synced_although_a_migration_has_changed_a_column_under_its_plans(sell, deliver, caplog):
    plans.keep("default")
    orders = [sell("ETHICS", person_id=f"M-{n}", email=f"m{n}@example.org") for n in range(OFTEN + 1)]
    for order in orders[:-1]:
        assert sync_order(order.pk).created == 1
    with beside(lambda: widen(210)):
        pass
    try:
        assert sync_order(orders[-1].pk).created == 1
        assert logged(caplog) == ["0A000"]
        assert Registration.objects.count() == len(orders)
        raw = connection.connection
        plans.keep("default")
        assert connection.connection is not raw, "a session without what was prepared"
    finally:
        widen(200)


@only_postgresql
def test_a_worker_delivers_on_although_a_migration_has_changed_its_table(sell, elevate, monkeypatch):
    # So that it claims: what sync makes would go out without.
    monkeypatch.setattr(AtBirth, "take", lambda *args: None)
    delivered = threading.Semaphore(0)
    worker = Worker(poll=0.05, heard=lambda result: delivered.release())
    with running(worker):
        for number in range(2 * OFTEN):
            if number == OFTEN:
                widen(310, Registration)
            sell(person_id=f"M-{number}", email=f"m{number}@example.org")
            worker.wake()
            assert delivered.acquire(timeout=LONG)
    widen(300, Registration)
    assert Registration.objects.filter(status="registered").count() == 2 * OFTEN
    assert len(elevate.calls) == 2 * OFTEN


def widen(length: int, model: Any = ProductMapping) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {model._meta.db_table} ALTER product_title TYPE varchar({length})")


def logged(caplog: Any) -> list[str]:
    return [r.sqlstate for r in caplog.records if getattr(r, "event", "") == "elevate.database.plan_unusable"]


@only_postgresql
@pytest.mark.parametrize(
    "lost", [b"DEALLOCATE ALL", b"PREPARE _pg3_0 AS SELECT 1"], ids=["missing", "another"]
)
def test_a_plan_of_another_session_is_noticed_and_no_more_are_kept(mapping, caplog, lost):
    plans.keep("default")
    raw: Any = connection.connection
    if lost.startswith(b"DEALLOCATE"):
        ask()
    # Past the driver, as a pooler would do it that lends another session.
    raw.pgconn.exec_(lost)
    with pytest.raises(OperationalError), transaction.atomic():
        ask()
    assert len(logged(caplog)) == 1
    ask()
    connection.close()
    plans.keep("default")
    ask()
    assert kept() == {}, "this database's sessions are lent"
    assert len(logged(caplog)) == 1


@only_postgresql
def test_an_older_driver_keeps_nothing():
    assert not plans._reaches_the_server(SimpleNamespace(connection=SimpleNamespace()))


def test_other_databases_are_not_asked(mapping):
    if connection.vendor == "postgresql":
        plans.keep("default")
    with CaptureQueriesContext(connection) as asked:
        plans.keep("default")
    assert list(asked) == []
    ask()


@only_postgresql
def test_a_worker_that_stays_keeps_plans_and_one_that_comes_for_once_does_not(sell, elevate):
    sell()
    worker = Worker(heard=lambda result: worker.stop())
    Worker().run_once(sweeping=False)
    assert plans._PLANS not in connections["default"].__dict__
    sell(person_id="M-2", email="ben@example.org")
    worker.run()
    assert connections["default"].__dict__[plans._PLANS].usable


@only_postgresql
def test_an_idle_worker_looks_after_its_plans_only_where_it_has_worked(monkeypatch):
    asked = []
    monkeypatch.setattr(plans, "keep", asked.append)
    worker = Worker()
    worker._worked = True
    for _ in range(3):
        worker._last_heartbeat = float("-inf")
        worker._step(sweeping=False)
    assert asked == ["default"]
