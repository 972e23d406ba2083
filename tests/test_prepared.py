"""Questions that are compiled once: they give what the queryset gives, with each call's own values."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext

from elevate_integration import prepared
from elevate_integration.clock import DatabaseNow
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.prepared import Prepared
from tests.postgresql import only_postgresql

pytestmark = pytest.mark.django_db(transaction=True)

OF_ORDER = Prepared(
    lambda limit, ref, products: (
        Registration.objects.filter(order_ref=ref, remote_product_id__in=products)
        .annotate(db_now=DatabaseNow())
        .select_related("mapping")
        .order_by("pk")[:limit]
    )
)


@pytest.fixture
def rows() -> list[Registration]:
    mapping = ProductMapping.objects.create(product_key="x", remote_product_id="X")
    return [
        Registration.objects.create(
            order_ref=ref, seat_key="1", mapping=mapping, remote_product_id=product, learner_key="M"
        )
        for ref in ("a", "b'%s", "")
        for product in ("X", "Y", "Z")
    ]


def test_each_call_gets_the_rows_of_its_own_values(rows):
    for row in rows * 2:
        (found,) = OF_ORDER("default", (10,), ref=row.order_ref, products=[row.remote_product_id, "nothing"])
        assert found == row
        assert found.mapping.product_key == "x"
        assert found.db_now is not None


def test_every_call_reads_the_rows_as_they_are_now(rows):
    ask = {"ref": "a", "products": ["X"]}
    assert OF_ORDER("default", (10,), **ask)[0].status == "pending"
    Registration.objects.update(status="registered")
    assert OF_ORDER("default", (10,), **ask)[0].status == "registered"
    Registration.objects.all().delete()
    assert OF_ORDER("default", (10,), **ask) == []


def test_the_shape_and_the_number_of_values_count(rows):
    assert len(OF_ORDER("default", (1,), ref="a", products=["X", "Y", "Z"])) == 1
    assert len(OF_ORDER("default", (2,), ref="a", products=["X", "Y", "Z"])) == 2
    assert len(OF_ORDER("default", (9,), ref="a", products={"X", "Z"})) == 2
    assert OF_ORDER("default", (9,), ref="a", products=["X", "X"]) == [rows[0]]
    assert OF_ORDER("default", (9,), ref="a", products=[]) == []


def test_whole_numbers_and_tuples_of_columns_work_too(rows):
    ask = Prepared(
        lambda pks: Registration.objects.filter(pk__in=pks).order_by("pk").values_list("pk", "order_ref")
    )
    for row in rows:
        assert ask("default", pks=[row.pk]) == [(row.pk, row.order_ref)]


def test_the_second_call_compiles_nothing(rows, monkeypatch):
    ask = Prepared(lambda ref: Registration.objects.filter(order_ref=ref).order_by("pk"))
    ask("default", ref="a")
    compiled = []
    original = SQLCompiler.as_sql
    monkeypatch.setattr(
        SQLCompiler,
        "as_sql",
        lambda self, *args, **kwargs: compiled.append(self) or original(self, *args, **kwargs),
    )
    with CaptureQueriesContext(connection) as asked:
        assert len(ask("default", ref="b'%s")) == 3
    assert len(asked) == 1
    assert len(compiled) == (0 if connection.vendor == "postgresql" else 1)


@only_postgresql
def test_the_second_call_looks_for_no_converters_and_converts_all_the_same(rows, monkeypatch):
    ask = Prepared(lambda ref: Registration.objects.filter(order_ref=ref).values_list("error_messages"))
    Registration.objects.update(error_messages=[["email", "No."]])
    first = ask("default", ref="a")
    assert first[0] == ([["email", "No."]],), "Django makes it of the text that the database gives"

    def sought(self: Any, expression: Any) -> None:
        raise AssertionError(expression)

    monkeypatch.setattr(type(connection.ops), "get_db_converters", sought)
    assert ask("default", ref="a") == first


def test_a_parameter_that_django_changes_on_the_way_is_noticed_at_once(rows):
    ask = Prepared(lambda ref: Registration.objects.filter(order_ref__startswith=ref))
    if connection.vendor != "postgresql":
        assert len(ask("default", ref="a")) == 3
        return
    with pytest.raises(ValueError, match="does not reach the database"):
        ask("default", ref="a")


def test_each_thread_asks_by_its_own_connection(rows):
    found = []

    def ask():
        found.append(OF_ORDER("default", (9,), ref="a", products=["Y"]))
        connections.close_all()

    assert OF_ORDER("default", (9,), ref="a", products=["X"]) == [rows[0]]
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [[rows[1]]]


def test_what_asks_more_than_one_question_is_asked_in_the_usual_way(rows):
    ask = Prepared(lambda ref: Registration.objects.filter(order_ref=ref).prefetch_related("attempts"))
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            found = ask("default", ref="a")
        assert [list(row.attempts.all()) for row in found] == [[], [], []]
        assert len(asked) == 2


def test_what_is_kept_is_forgotten_before_it_grows_without_end(rows, monkeypatch):
    monkeypatch.setattr(prepared, "_KEPT_AT_MOST", 3)
    for limit in range(1, 9):
        for ref in ("a", "b'%s"):
            assert len(OF_ORDER("default", (limit,), ref=ref, products=["X", "Y", "Z"])) == min(limit, 3)
        assert len(connection.__dict__.get("_elevate_prepared", ())) <= 3
