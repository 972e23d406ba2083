"""My courses: a member sees his own, and nobody else's."""

from __future__ import annotations

from elevate_integration.api.serializers import COURSE_STATES
from elevate_integration.lifecycle import AtElevate
from elevate_integration.members import standing
from elevate_integration.models import Registration
from tests.api.conftest import log_in

MINE = "/api/v1/me/courses/"


def test_members_see_their_own_courses_and_nobody_elses(row):
    for name in ("ada@example.org", "bob@example.org"):
        row(
            at_elevate=AtElevate.PRESENT, learner_key=name, order_ref=f"of {name}",
            product_url="https://elevate.example/products/ethics",
        )  # fmt: skip
    for name in ("ada@example.org", "bob@example.org"):
        answer = log_in(name).get(MINE).json()
        assert answer == {
            "waiting": False,
            "courses": [
                {
                    "title": "Ethics", "state": "ready", "label": "Ready", "text": "You are registered.",
                    "product_url": "https://elevate.example/products/ethics", "order_ref": f"of {name}",
                    "remote_product_id": "ABCD1234",
                }
            ],
        }  # fmt: skip
    assert log_in("eve@example.org").get(MINE).json() == {"waiting": False, "courses": []}


def test_a_course_under_way_has_no_address_yet_and_asks_to_look_again(row):
    row(learner_key="ada@example.org")
    answer = log_in("ada@example.org").get(MINE).json()
    assert answer["waiting"] is True
    assert [(one["state"], one["product_url"]) for one in answer["courses"]] == [("waiting", "")]


def test_a_staff_permission_shows_nothing_more(row, client_of):
    row(at_elevate=AtElevate.PRESENT)
    assert client_of("view_registration").get(MINE).json()["courses"] == []


def test_many_courses_take_no_more_queries(mapping, django_assert_max_num_queries):
    Registration.objects.bulk_create(
        Registration(
            order_ref=f"{n}",
            seat_key="s",
            mapping=mapping,
            remote_product_id=f"R{n}",
            learner_key="ada@example.org",
        )
        for n in range(1000)
    )
    client = log_in("ada@example.org")
    with django_assert_max_num_queries(3):
        assert len(client.get(MINE).json()["courses"]) == 200


def test_the_document_names_every_state_of_a_course_and_no_other():
    known = {one.name for one in vars(standing).values() if isinstance(one, standing.Standing)}
    assert {name for name, _label in COURSE_STATES} == known
