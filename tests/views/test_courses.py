"""My courses, and the endpoint that its pages ask again: who may, what is answered, and what never comes out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.test import Client

from elevate_integration.members.tickets import MINE, ORDER, PRODUCTS, Ticket
from elevate_integration.models import Registration
from tests.plainshop.source import PlainSource

Make = Callable[..., Registration]
PAGE, STATE = "/elevate/courses/", "/elevate/courses/state/"


def ask(client: Client, ticket: str) -> Any:
    return client.get(STATE, headers={"X-Elevate-Ticket": ticket})


def test_my_courses_asks_for_a_log_in(host: type[PlainSource], client: Client) -> None:
    assert client.get(PAGE).headers["Location"] == f"/login/?next={PAGE}"


def test_my_courses_shows_the_members_own(adas: Make, ada: Any, bob: Any, client: Client) -> None:
    adas(product_title="Old title")
    client.force_login(ada)
    page = client.get(PAGE)
    assert 'href="https://elevate.example/p"' in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    assert "data-elevate-ticket" not in page.content.decode(), "nothing is under way, so nothing asks again"
    client.force_login(bob)
    page = client.get(PAGE)
    assert "elevate.example" not in page.content.decode()
    assert "appear here" in page.content.decode()


def test_titles_are_escaped(adas: Make, ada: Any, client: Client) -> None:
    row = adas(at_elevate="absent")
    row.mapping.product_title = "<script>alert(1)</script>"
    row.mapping.save()
    client.force_login(ada)
    page = client.get(PAGE).content.decode()
    assert "<script>alert" not in page
    answer = ask(client, Ticket(MINE).sign(ada)).json()
    assert "<script>" not in answer["html"]
    assert "&lt;script&gt;" in answer["html"]


def test_nothing_is_changed_by_posting(ada: Any, client: Client) -> None:
    client.force_login(ada)
    assert client.post(PAGE).status_code == client.post(STATE).status_code == 405


def test_a_page_asks_with_the_ticket_it_was_given(adas: Make, ada: Any, client: Client) -> None:
    row = adas(at_elevate="absent")
    client.force_login(ada)
    found = re.search(
        r'data-elevate-ticket="([^"]+)" data-elevate-state="([^"]+)"', client.get(PAGE).content.decode()
    )
    assert found is not None
    assert found[2] == STATE
    answer = ask(client, found[1])
    assert answer.json()["settled"] is False
    assert "Being set up" in answer.json()["html"]
    assert "no-store" in answer.headers["Cache-Control"]
    Registration.objects.filter(pk=row.pk).update(at_elevate="present", status="registered")
    answer = ask(client, found[1]).json()
    assert answer["settled"] is True
    assert 'href="https://elevate.example/p"' in answer["html"]


def test_without_a_ticket_nothing_is_said(adas: Make, ada: Any, client: Client) -> None:
    adas()
    client.force_login(ada)
    for ticket in ("", "x", signing.dumps({"about": MINE, "order_ref": "", "names": [], "viewer": ""})):
        answer = ask(client, ticket)
        assert (answer.status_code, answer.json()) == (403, {"settled": True})


def test_a_ticket_is_void_in_anothers_log_in_and_after_the_log_out(
    adas: Make, ada: Any, bob: Any, client: Client
) -> None:
    adas(order_ref="7")
    ticket = Ticket(ORDER, "7").sign(ada)
    client.force_login(bob)
    assert ask(client, ticket).status_code == 403
    client.logout()
    assert ask(client, ticket).status_code == 403
    client.force_login(ada)
    assert ask(client, ticket).status_code == 200


def test_a_ticket_is_void_after_a_quarter_of_an_hour(
    adas: Make, ada: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = Ticket(MINE).sign(ada)
    client.force_login(ada)
    assert ask(client, ticket).status_code == 200
    later = signing.time.time() + 16 * 60
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert ask(client, ticket).status_code == 403


def test_a_guest_asks_by_his_ticket_alone(adas: Make, client: Client) -> None:
    adas(order_ref="7", seat_key="1")
    adas(order_ref="8", seat_key="1", product_url="https://elevate.example/other")
    answer = ask(client, Ticket(ORDER, "7", ("1",)).sign(AnonymousUser())).json()
    assert "https://elevate.example/p" in answer["html"]
    assert "other" not in answer["html"]


def test_a_guests_ticket_for_his_own_courses_shows_none(adas: Make, client: Client) -> None:
    adas()
    for about in (MINE, PRODUCTS):
        answer = ask(client, Ticket(about, names=("ABCD1234",)).sign(AnonymousUser())).json()
        assert "elevate.example" not in answer["html"]


def test_a_question_costs_one_query_beside_the_log_in(
    adas: Make, ada: Any, client: Client, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        adas(order_ref="7", seat_key=str(number))
    client.force_login(ada)
    ticket = Ticket(ORDER, "7").sign(ada)
    # Two are Django's own: the session and the log-in.
    with django_assert_num_queries(3):
        ask(client, ticket)


def test_the_answer_holds_no_personal_data(adas: Make, ada: Any, client: Client) -> None:
    adas(order_ref="7", firstname="Zuleika", lastname="Dobson", email="zuleika@example.org")
    client.force_login(ada)
    answer = ask(client, Ticket(ORDER, "7").sign(ada)).content.decode()
    assert not re.search("zuleika|dobson|M-Ada", answer, re.IGNORECASE)
