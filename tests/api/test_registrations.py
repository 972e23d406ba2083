"""Registrations: filters, pages, what is shown, and the acts."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from elevate_integration.lifecycle import AtElevate, Obstacle, Operation, Outcome, Status
from elevate_integration.models import Attempt, Registration
from tests.api.source import AnyText
from tests.rows import make_mapping

LIST = "/api/v1/registrations/"


def ids(answer) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["results"]]


def test_the_list_is_filtered_by_what_an_office_asks_for(boss, mapping, row):
    law = make_mapping(product_key="course:LAW", product_title="Law", remote_product_id="LAW5678")
    refused = row(obstacle=Obstacle.REFUSED, order_ref="A 1/ü")
    there = row(at_elevate=AtElevate.PRESENT, learner_key="M-77", of=law)
    parked = row(wanted=False, at_elevate=AtElevate.PRESENT, obstacle=Obstacle.PARKED)
    waiting = row(due_at=timezone.now())
    for query, found in {
        "": [waiting, parked, there, refused],
        "status=refused": [refused],
        "status=refused&status=registered": [there, refused],
        "in_trouble=true": [parked, refused],
        "in_trouble=false": [waiting, there],
        f"mapping={law.pk}": [there],
        "product_key=course:LAW": [there],
        "remote_product_id=LAW5678": [there],
        f"order_ref={quote('A 1/ü')}": [refused],
        "learner=M-77": [there],
        "learner=M-77&status=refused": [],
        "mapping=9223372036854775807": [],
    }.items():
        assert ids(boss.get(f"{LIST}?{query}")) == [one.pk for one in found], query


def test_in_trouble_means_the_same_in_the_filter_and_in_the_row(boss, row):
    for state in (
        {"obstacle": Obstacle.INCOMPLETE},
        {"obstacle": Obstacle.REFUSED},
        {"at_elevate": AtElevate.MAYBE, "obstacle": Obstacle.DOUBT},
        {"at_elevate": AtElevate.MAYBE, "due_at": timezone.now()},
        {"at_elevate": AtElevate.PRESENT},
        {"wanted": False, "at_elevate": AtElevate.PRESENT, "obstacle": Obstacle.CANCEL_REFUSED},
        {"wanted": False, "at_elevate": AtElevate.PRESENT, "obstacle": Obstacle.PARKED},
        {"wanted": False, "at_elevate": AtElevate.PRESENT, "due_at": timezone.now()},
        {"wanted": False},
    ):
        row(**state)
    for value in (True, False):
        answer = boss.get(f"{LIST}?in_trouble={str(value).lower()}").json()
        assert answer["results"]
        assert {one["in_trouble"] for one in answer["results"]} == {value}


@pytest.mark.parametrize(("name", "field"), [("created", "created_at"), ("registered", "registered_at")])
def test_the_list_is_filtered_from_a_moment_up_to_another(boss, row, name, field):
    now = timezone.now()
    rows = [row() for _ in range(3)]
    for number, one in enumerate(rows):
        Registration.objects.filter(pk=one.pk).update(**{field: now + timedelta(days=number)})
    first, second = (quote((now + timedelta(days=days)).isoformat()) for days in (1, 2))
    assert ids(boss.get(f"{LIST}?{name}_from={first}&{name}_to={second}")) == [rows[1].pk]


def test_what_changed_since_a_moment_is_found(boss, row):
    old, new = row(), row()
    Registration.objects.filter(pk=old.pk).update(updated_at=timezone.now() - timedelta(hours=2))
    since = quote((timezone.now() - timedelta(hours=1)).isoformat())
    assert ids(boss.get(f"{LIST}?updated_since={since}")) == [new.pk]


@pytest.mark.parametrize(
    "query",
    [
        "status=gone", "status=", "in_trouble=perhaps", "in_trouble=", "mapping=x", "mapping=0", "mapping=9223372036854775808", "mapping=",
        "order_ref=", "order_ref=a%00b", "created_from=yesterday", "created_from=2026-01-01",
        "created_from=2026-01-01T10:00:00", "created_from=", "page_size=0", "page_size=201", "page_size=x",
        "page_size=", "page_size=%D9%A1",
    ],
)  # fmt: skip
def test_a_filter_that_means_nothing_is_an_error(boss, row, query):
    row()
    answer = boss.get(f"{LIST}?{query}")
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [query.split("=")[0]]


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1850-01-01T00:00:00z"]
)
def test_moments_beyond_what_databases_know_are_moments_still(boss, row, moment):
    row()
    assert len(ids(boss.get(f"{LIST}?created_from={quote(moment)}"))) == (0 if moment.startswith("9") else 1)


def test_pages_hold_each_row_once_while_rows_are_added_and_nothing_is_counted(
    boss, row, django_assert_max_num_queries
):
    rows = [row() for _ in range(25)]
    address, seen = f"{LIST}?page_size=10", []
    while address:
        with django_assert_max_num_queries(4) as asked:
            answer = boss.get(address)
        assert not [q for q in asked if "COUNT(" in q["sql"].upper()]
        seen += ids(answer)
        address = answer.json()["next"]
        row()
    assert seen == [one.pk for one in reversed(rows)]
    assert boss.get(f"{LIST}?page_size=10").json().keys() == {"next", "previous", "results"}


def test_a_cursor_that_is_none_is_a_problem(boss):
    assert boss.get(f"{LIST}?cursor=x%3D").status_code == 404


def test_a_page_of_two_hundred_among_thousands_takes_no_more_queries_than_one_row(
    boss, mapping, row, django_assert_num_queries
):
    row()
    with django_assert_num_queries(3):
        boss.get(LIST)
    Registration.objects.bulk_create(
        Registration(
            order_ref=f"bulk-{n}",
            seat_key="s",
            mapping=mapping,
            remote_product_id="ABCD1234",
            learner_key=f"B-{n}",
        )
        for n in range(3000)
    )
    with django_assert_num_queries(3):
        assert len(ids(boss.get(f"{LIST}?page_size=200"))) == 200


def test_one_registration_is_shown_with_its_calls_the_latest_first(boss, row, django_assert_num_queries):
    one = row(at_elevate=AtElevate.PRESENT, error_messages=[["product", "no such product"]])
    for outcome in (Outcome.REFUSED, Outcome.DONE):
        Attempt.objects.create(
            registration=one, operation=Operation.REGISTER, outcome=outcome, finished_at=timezone.now(),
            sent={"remote_user_id": "M-1"}, messages=[["product", "no such product"]],
        )  # fmt: skip
    with django_assert_num_queries(4):
        answer = boss.get(f"{LIST}{one.pk}/").json()
    assert answer["status"] == "registered"
    assert answer["situation"]["what"] == "The learner is registered at Elevate."
    assert answer["learner"] == {
        "remote_user_id": one.remote_user_id, "firstname": "Ada", "lastname": one.lastname, "email": one.email,
    }  # fmt: skip
    assert [call["outcome"] for call in answer["attempts"]] == ["done", "refused"]
    assert answer["attempts"][0]["messages"] == ["product: no such product"]
    assert "test-key" not in str(answer)


def test_a_registration_that_is_not_there_is_not_found(boss):
    for key in ("1", "0", "x", "-1", str(2**70), "\u0661"):
        assert boss.get(f"{LIST}{key}/").status_code == 404
        for act in ("retry", "cancel", "resync"):
            assert boss.post(f"{LIST}{key}/{act}/", {}, format="json").status_code == 404


def test_a_retry_is_accepted_and_recorded_as_the_apis(boss, row):
    one = row(obstacle=Obstacle.REFUSED)
    answer = boss.post(f"{LIST}{one.pk}/retry/")
    assert answer.status_code == 202
    assert answer.json()["status"] == "pending"
    one.refresh_from_db()
    assert (one.trigger, one.actor) == ("api", "boss@example.org")
    assert one.due_at is not None
    assert LogEntry.objects.get(object_id=str(one.pk)).get_change_message() == "Retry (REST API)"


def test_an_act_that_does_not_apply_says_why_and_changes_nothing(boss, row):
    one = row(at_elevate=AtElevate.PRESENT)
    before = Registration.objects.filter(pk=one.pk).values().get()
    answer = boss.post(f"{LIST}{one.pk}/retry/")
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank", "title": "Conflict", "status": 409, "code": "does_not_apply",
        "detail": "it is registered already",
    }  # fmt: skip
    assert Registration.objects.filter(pk=one.pk).values().get() == before
    assert not LogEntry.objects.exists()


def test_a_cancel_keeps_the_words_for_elevate_and_is_accepted(boss, row):
    one = row(at_elevate=AtElevate.PRESENT)
    words = {
        "explanation": "Refunded.",
        "explanation_for_user": "Bye.",
        "email": "a@example.org",
        "notify": True,
    }
    answer = boss.post(f"{LIST}{one.pk}/cancel/", words, format="json")
    assert answer.status_code == 202
    assert answer.json()["status"] == "cancelling"
    one.refresh_from_db()
    assert one.cancel_details == words
    assert one.staff_cancelled


def test_a_cancel_of_what_elevate_never_knew_is_done_at_once(boss, row):
    one = row()
    answer = boss.post(f"{LIST}{one.pk}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (200, "withdrawn")
    assert boss.post(f"{LIST}{one.pk}/cancel/").status_code == 409


def test_a_cancel_that_changes_nothing_at_elevate_says_so(boss, row):
    one = row(at_elevate=AtElevate.PRESENT, learner_key="M-1")
    row(at_elevate=AtElevate.PRESENT, learner_key="M-1")
    answer = boss.post(f"{LIST}{one.pk}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (200, "covered")
    assert "another paid order" in answer.json()["notes"][0]


@pytest.mark.parametrize(
    "body",
    [
        {"notify": "yes"}, {"notify": 1}, {"notify": None}, {"explanation": 5}, {"explanation": "x" * 2001},
        {"explanation": "a\0b"}, {"email": "nobody"}, {"email": 5}, ["a"], "text", 5,
    ],
)  # fmt: skip
def test_a_cancel_with_words_of_another_kind_is_refused(boss, row, body):
    one = row(at_elevate=AtElevate.PRESENT)
    answer = boss.post(f"{LIST}{one.pk}/cancel/", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"]
    one.refresh_from_db()
    assert one.status == Status.REGISTERED


def test_a_resync_reads_the_order_again(boss, row):
    AnyText.orders.add("9001")
    one = row(order_ref="9001", seat_key="seat:1", learner_key="M-1", firstname="Old")
    answer = boss.post(f"{LIST}{one.pk}/resync/")
    assert answer.status_code == 202
    assert answer.json()["learner"]["firstname"] == "Ada"


def test_a_resync_of_an_order_that_cannot_be_read_says_so_and_keeps_the_failure(boss, row):
    AnyText.broken = RuntimeError("shop closed")
    one = row(order_ref="9001")
    answer = boss.post(f"{LIST}{one.pk}/resync/")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert answer.json()["code"] == "order_unreadable"
    from elevate_integration.models import TrackedOrder

    assert "shop closed" in TrackedOrder.objects.get(order_ref="9001").last_error
