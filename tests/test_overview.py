"""How things stand: hours, percentiles, groups of trouble, and whether delivery runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import overview
from elevate_integration.lifecycle import Status
from elevate_integration.models import Attempt, DeliveryState, ProductMapping, Registration
from tests.rows import make_mapping, make_row

NOON = datetime(2026, 3, 29, 12, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dispatcher", "seconds", "expected"),
    [
        ("worker", 119, "running"),
        ("worker", 121, "silent"),
        ("celery", 121, "running"),
        ("celery", 301, "silent"),
        ("thread", 301, "running"),
        ("thread", 901, "silent"),
        ("django_tasks", 901, "silent"),
        ("shop.dispatch.Own", 901, "silent"),
        ("inline", 10**7, "running"),
        ("worker", None, "silent"),
        ("inline", None, "running"),
    ],
)
def test_delivery_is_silent_after_a_time_that_fits_the_dispatcher(dispatcher, seconds, expected):
    beat = None if seconds is None else NOON - timedelta(seconds=seconds)
    assert overview.condition(DeliveryState(heartbeat_at=beat), NOON, dispatcher) == expected


@pytest.mark.parametrize("gate", ["unreachable", "key", "busy"])
def test_a_shut_gate_is_told_before_silence_and_a_pause_before_both(gate):
    assert overview.condition(DeliveryState(gate=gate), NOON, "worker") == gate
    assert overview.condition(DeliveryState(gate=gate, paused=True), NOON, "worker") == "paused"


@pytest.mark.parametrize(("seconds", "expected"), [(None, False), (-5, False), (3600, False), (3601, True)])
def test_an_hour_is_too_long_to_be_due(seconds, expected):
    due = None if seconds is None else NOON - timedelta(seconds=seconds)
    assert overview.due_too_long(due, NOON) is expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])
def test_hours_begin_with_the_readers_clock_and_last_an_hour_also_when_clocks_change(zone):
    now = NOON.astimezone(ZoneInfo(zone))
    edges = overview.hour_edges(now, 48)
    assert len(edges) == 49
    assert {end - start for start, end in pairwise(edges)} == {timedelta(hours=1)}
    assert edges[-2] <= now < edges[-1]
    assert {edge.astimezone(ZoneInfo(zone)).minute for edge in edges} == {0}


def test_hours_without_time_zones_are_those_of_the_clock():
    edges = overview.hour_edges(datetime(2026, 3, 29, 0, 5), 2)  # noqa: DTZ001
    assert edges == [datetime(2026, 3, 28, 23), datetime(2026, 3, 29, 0), datetime(2026, 3, 29, 1)]  # noqa: DTZ001


def test_an_hour_in_which_nothing_went_through_is_a_zero():
    edges = overview.hour_edges(NOON, 3)
    hours = overview.hourly(edges, {"h1": 7})
    assert [hour.number for hour in hours] == [0, 7, 0]
    assert [hour.start for hour in hours] == edges[:-1]


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [
        ([5.0], 0.95, 5.0),
        ([1.0, 3.0], 0.5, 2.0),
        ([1.0, 2.0, 9.0], 0.5, 2.0),
        ([float(n) for n in range(101)], 0.95, 95.0),
        ([1.0, 2.0, 3.0, 4.0], 0.0, 1.0),
        ([1.0, 2.0, 3.0, 4.0], 1.0, 4.0),
        ([0.0, 10.0], 0.95, 9.5),
    ],
)
def test_a_percentile_lies_between_two_values_if_need_be(values, fraction, expected):
    assert overview.percentile(values, fraction) == pytest.approx(expected)


def test_there_is_no_percentile_of_nothing():
    with pytest.raises(ValueError, match="nothing"):
        overview.percentile([], 0.5)
    assert overview.measured([]) is None


def row(**fields: Any) -> Registration:
    """Make a row in memory."""
    start = {"order_ref": "1", "product_title": "Ethics", "mapping_id": 1, "wanted": True}
    made = Registration(**{**start, **fields})
    made.status = made.state.status
    return made


def refused(text: str = "Not found.", **fields: Any) -> Registration:
    return row(obstacle="refused", error_messages=[["product", text]], **fields)


def test_the_same_words_about_the_same_product_are_one_trouble_and_the_largest_comes_first():
    rows = [
        refused(product_title="Law", mapping_id=2),
        refused(order_ref="a"),
        refused("Closed."),
        refused(order_ref="b"),
    ]
    found = overview.group(rows)
    assert [(t.product, t.said, t.number) for t in found] == [
        ("Ethics", ("product: Not found.",), 2),
        ("Law", ("product: Not found.",), 1),
        ("Ethics", ("product: Closed.",), 1),
    ]
    assert [r.order_ref for r in found[0].rows] == ["a", "b"]
    assert found[0].first.order_ref == "a"


def test_two_mappings_of_one_title_stay_apart_since_each_has_its_own_mend():
    assert len(overview.group([refused(mapping_id=1), refused(mapping_id=2)])) == 2


def test_what_needs_different_acts_stays_apart():
    doubt = {"at_elevate": "maybe", "obstacle": "doubt"}
    found = overview.group([row(**doubt), row(**doubt, wanted=False), refused()])
    assert len({str(t.situation.mend) for t in found}) == 3
    assert found[0].said == ()


def test_held_rows_are_grouped_by_what_is_missing():
    held = {"obstacle": "incomplete"}
    found = overview.group(
        [
            row(**held, problems="no_email"),
            row(**held, problems="no_email"),
            row(**held, problems="no_name,made_up"),
        ]
    )
    assert [t.number for t in found] == [2, 1]
    assert found[0].said[0].startswith("The learner has no e-mail")
    assert found[1].said[1] == "made_up"


def test_old_words_of_elevate_do_not_divide_what_waits_for_another_reason():
    doubt = {"at_elevate": "maybe", "obstacle": "doubt"}
    assert len(overview.group([row(**doubt, error_messages=[["x", "y"]]), row(**doubt)])) == 1


def test_a_group_may_be_of_nothing():
    assert overview.group([]) == []


@pytest.fixture
def mapping(db: None) -> ProductMapping:
    return make_mapping()


def test_only_what_waits_for_a_person_is_trouble(mapping):
    make_row(mapping)
    make_row(mapping, at_elevate="present")
    make_row(mapping, at_elevate="maybe", due_at=timezone.now())
    make_row(mapping, at_elevate="present", wanted=False)
    waiting = [
        make_row(mapping, obstacle="refused"),
        make_row(mapping, obstacle="incomplete"),
        make_row(mapping, at_elevate="maybe", obstacle="doubt"),
        make_row(mapping, at_elevate="present", wanted=False, obstacle="cancel_refused"),
        make_row(mapping, at_elevate="present", wanted=False, obstacle="parked"),
    ]
    found = overview.troubles(overview.by_status())
    assert {r.pk for t in found.groups for r in t.rows} == {r.pk for r in waiting}
    assert found.more == []
    shown = Registration.objects.in_trouble()
    assert {r.pk for r in shown} == {r.pk for r in waiting}


def test_registrations_are_counted_by_status_in_one_query_and_not_for_ever(mapping, monkeypatch):
    for _ in range(4):
        make_row(mapping)
    make_row(mapping, at_elevate="present")
    with CaptureQueriesContext(connection) as queries:
        counted = overview.by_status()
    assert len(queries) == 1
    assert counted == {str(status): {"pending": 4, "registered": 1}.get(status, 0) for status in Status}
    monkeypatch.setattr(overview, "COUNTED_AT_MOST", 2)
    assert overview.by_status()["pending"] == 3
    assert [overview.number_words(n, 2) for n in (0, 2, 3)] == ["0", "2", "2+"]


def test_an_empty_table_counts_nothing(db):
    assert not any(overview.by_status().values())
    assert overview.troubles(overview.by_status()).groups == []


def test_only_the_newest_are_grouped_and_the_rest_is_named(mapping, monkeypatch):
    monkeypatch.setattr(overview, "GROUPED_AT_MOST", 3)
    made = [make_row(mapping, obstacle="refused") for _ in range(4)]
    make_row(mapping, obstacle="incomplete")
    found = overview.troubles(overview.by_status())
    assert found.more == [Status.REFUSED]
    assert [r.pk for r in found.groups[0].rows] == [r.pk for r in reversed(made[1:])]


def test_trouble_costs_one_query_for_each_status_that_has_rows(mapping):
    make_row(mapping)
    with CaptureQueriesContext(
        connection,
    ) as none:
        assert overview.troubles({"pending": 1}).groups == []
    for _ in range(5):
        make_row(mapping, obstacle="refused")
        make_row(mapping, obstacle="incomplete")
    with CaptureQueriesContext(connection) as two:
        found = overview.troubles(overview.by_status())
        assert [overview.product_of(t.first) for t in found.groups] == ["Ethics", "Ethics"]
    assert (len(none), len(two)) == (0, 3)


def test_what_went_through_is_counted_by_hour(mapping):
    now = timezone.now().replace(minute=30)
    for minutes in (0, 1, 60, 60 * 47, 60 * 48, -60):
        made = make_row(mapping, at_elevate="present")
        Registration.objects.filter(pk=made.pk).update(registered_at=now - timedelta(minutes=minutes))
    make_row(mapping)
    with CaptureQueriesContext(connection) as queries:
        hours = overview.went_through(now)
    assert len(queries) == 1
    assert len(hours) == 48
    assert [(n, hour.number) for n, hour in enumerate(hours) if hour.number] == [(0, 1), (46, 1), (47, 2)]


def waited(mapping: ProductMapping, seconds: float, **fields: Any) -> Registration:
    made = make_row(mapping, at_elevate="present", **fields)
    now = timezone.now()
    times = {"created_at": now - timedelta(seconds=seconds), "registered_at": now}
    Registration.objects.filter(pk=made.pk).update(**times)
    return made


def test_the_wait_from_order_to_access_is_measured(mapping):
    for seconds in (1, 2, 3, 4, 100):
        waited(mapping, seconds)
    with CaptureQueriesContext(connection) as queries:
        found = overview.waits(timezone.now())
    assert len(queries) == 1
    assert found is not None
    assert (found.median, found.slow, found.sample) == (pytest.approx(3), pytest.approx(80.8), 5)


def test_the_database_and_python_measure_alike(mapping):
    seconds = [0.5, 1.5, 7.25, 60.0]
    for one in seconds:
        waited(mapping, one)
    found, expected = overview.waits(timezone.now()), overview.measured(seconds)
    assert found is not None
    assert expected is not None
    assert (found.median, found.slow) == (pytest.approx(expected.median), pytest.approx(expected.slow))


def test_what_says_nothing_about_waiting_is_left_out(mapping):
    waited(mapping, 5000, trigger="staff")
    waited(mapping, 5000, trigger="import")
    waited(mapping, -5000)
    again = waited(mapping, 5000)
    Attempt.objects.create(registration=again, operation="cancel", outcome="done", finished_at=timezone.now())
    old = waited(mapping, 5000)
    Registration.objects.filter(pk=old.pk).update(registered_at=timezone.now() - timedelta(days=31))
    make_row(mapping)
    assert overview.waits(timezone.now()) is None
    waited(mapping, 4, trigger="sweep")
    found = overview.waits(timezone.now())
    assert found is not None
    assert (found.median, found.sample) == (pytest.approx(4), 1)
