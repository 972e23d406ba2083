"""Whose courses are shown, where each opens, and what is expected of an order that nobody has read yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from elevate_integration.members.courses import (
    courses_of,
    courses_of_order,
    courses_of_products,
    has_course,
    learner_key_of,
    seats_of_line,
    web_address,
)
from elevate_integration.models import OrderMark, ProductMapping, Registration, TrackedOrder
from elevate_integration.orders.source import Learner, OrderSource
from tests.plainshop.models import Invoice, Item
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping

Make = Callable[..., Registration]


def names(found: Any) -> list[tuple[str, str]]:
    return [(course.remote_product_id, course.standing.name) for course in found.courses]


def test_a_member_sees_his_own_courses_and_nobody_elses(adas: Make, ada: Any, bob: Any) -> None:
    adas()
    (course,) = courses_of(ada).courses
    assert (course.url, course.mine, course.title) == ("https://elevate.example/p", True, "Ethics")
    assert courses_of(bob).courses == ()
    assert courses_of(AnonymousUser()).courses == ()


def test_an_email_address_alone_makes_nobody_a_learner(
    adas: Make, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    adas(learner_key="email:ada@example.org", email="ada@example.org")
    monkeypatch.setattr(PlainSource, "learner_for", lambda self, user: Learner("", email=user.email))
    assert learner_key_of(ada) == ""
    assert courses_of(ada).courses == ()


def test_a_log_in_without_a_learner_has_no_courses_even_where_a_place_has_no_name(
    adas: Make, bob: Any
) -> None:
    adas(learner_key="")
    bob.first_name = ""
    assert learner_key_of(bob) == ""
    assert courses_of(bob).courses == ()
    assert not has_course(bob, "course:ETHICS")


def test_a_source_that_says_nothing_of_log_ins_leaves_it_to_the_setting(
    ada: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainSource, "learner_for", OrderSource.learner_for)
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": "email"}
    assert learner_key_of(ada) == "ada@example.org"


def test_a_source_that_raises_costs_the_page_nothing_but_the_courses(
    adas: Make, ada: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    adas()

    def fail(self: PlainSource, user: Any) -> None:
        raise RuntimeError("a bug of the host")

    monkeypatch.setattr(PlainSource, "learner_for", fail)
    assert courses_of(ada).courses == ()
    assert "could not tell which learner a log-in is" in caplog.text


def test_however_many_courses_take_one_query(adas: Make, ada: Any, django_assert_num_queries: Any) -> None:
    for number in range(12):
        mapping = make_mapping(remote_product_id=f"R{number}")
        adas(mapping=mapping)
    with django_assert_num_queries(1):
        assert len(courses_of(ada).courses) == 12


def test_what_can_be_opened_comes_first_and_what_is_over_last(adas: Make, ada: Any) -> None:
    states: list[dict[str, Any]] = [
        {"wanted": False, "at_elevate": "absent"},
        {"at_elevate": "absent"},
        {"at_elevate": "absent", "obstacle": "refused"},
        {"at_elevate": "present"},
        {"wanted": False, "at_elevate": "present"},
    ]
    for number, state in enumerate(states):
        adas(mapping=make_mapping(remote_product_id=f"R{number}"), **state)
    found = courses_of(ada)
    assert names(found) == [
        ("R3", "ready"), ("R1", "waiting"), ("R2", "attention"), ("R4", "ending"), ("R0", "over"),
    ]  # fmt: skip
    assert [bool(course.url) for course in found.courses] == [True, False, False, False, False]
    assert found.waiting


def test_a_product_bought_twice_is_shown_once_as_it_serves_the_member(adas: Make, ada: Any) -> None:
    adas(wanted=False, at_elevate="present", obstacle="covered")
    adas(at_elevate="present")
    adas(wanted=False, at_elevate="absent")
    found = courses_of(ada)
    assert names(found) == [("ABCD1234", "ready")]
    assert not found.waiting


@pytest.mark.parametrize(
    ("stored", "opened"),
    [
        ("https://elevate.example/p?a=1", "https://elevate.example/p?a=1"),
        ("http://elevate.example/p", "http://elevate.example/p"),
        ("javascript:alert(1)", ""),
        ("JavaScript:alert(1)", ""),
        ("//evil.example", ""),
        ("/p", ""),
        ("http://[", ""),
        ("data:text/html,x", ""),
        ("", ""),
    ],
)
def test_only_a_web_address_becomes_a_link(stored: str, opened: str) -> None:
    assert web_address(stored) == opened


def test_a_course_whose_page_is_unknown_leads_to_the_learning_site(adas: Make, ada: Any) -> None:
    adas(product_url="javascript:alert(1)")
    assert courses_of(ada).courses[0].url == "https://elevate.example"


def test_an_order_shows_its_buyer_the_places_of_others_without_links(adas: Make, ada: Any, bob: Any) -> None:
    adas(order_ref="7", seat_key="1")
    adas(order_ref="7", seat_key="2", learner_key="M-Bob")
    adas(order_ref="7", seat_key="3", learner_key="", at_elevate="absent", obstacle="incomplete")
    adas(order_ref="8", seat_key="1")
    shown = courses_of_order("7", (), ada)
    assert [(c.standing.name, c.mine, bool(c.url)) for c in shown.courses] == [
        ("ready", True, True), ("ready", False, False), ("unnamed", False, False),
    ]  # fmt: skip
    assert [c.seat_key for c in courses_of_order("7", ("2",), bob).courses] == ["2"]


def test_an_order_says_of_a_place_that_waits_for_an_account_that_it_does(adas: Make, ada: Any) -> None:
    adas(
        order_ref="7",
        learner_key="email:bob@example.org",
        remote_user_id="",
        at_elevate="absent",
        obstacle="incomplete",
    )
    (shown,) = courses_of_order("7", (), ada).courses
    assert str(shown.standing.label) == "No account yet"


def test_a_guest_gets_the_links_of_the_order_that_the_store_shows_him(adas: Make) -> None:
    adas(order_ref="7")
    assert courses_of_order("7", (), AnonymousUser()).courses[0].url


@pytest.fixture
def invoice(mapping: ProductMapping) -> Invoice:
    """A paid order of Ethics and of a book that is not mapped, which nobody has read yet."""
    made = Invoice.objects.create(state="paid", issued=timezone.now())
    for course in ("ETHICS", "BOOK"):
        Item.objects.create(invoice=made, course=course, price="1.00", person_id="M-Ada")
    return made


def test_an_order_that_nobody_has_read_yet_is_waited_for_where_a_course_is_to_come(
    invoice: Invoice, ada: Any, mapping: ProductMapping
) -> None:
    ref, (ethics, book) = str(invoice.pk), [f"item:{item.pk}" for item in invoice.items.order_by("pk")]
    assert courses_of_order(ref, (), ada).waiting
    assert courses_of_order(ref, (ethics,), ada).waiting
    assert not courses_of_order(ref, (book,), ada).waiting
    assert courses_of_products(ada, ["ABCD1234"], ref).waiting
    assert not courses_of_products(ada, ["OTHER"], ref).waiting
    assert not courses_of_products(ada, ["ABCD1234"]).waiting
    ProductMapping.objects.update(active=False)
    assert not courses_of_order(ref, (), ada).waiting


def test_an_order_that_was_read_and_gave_no_course_is_not_waited_for(invoice: Invoice, ada: Any) -> None:
    ref = str(invoice.pk)
    TrackedOrder.objects.create(order_ref=ref, first_synced_at=timezone.now())
    assert not courses_of_order(ref, (), ada).waiting
    OrderMark.objects.create(order_ref=ref, due_at=timezone.now())
    assert courses_of_order(ref, (), ada).waiting


def test_an_order_that_is_not_paid_or_cannot_be_read_is_not_waited_for(
    invoice: Invoice, ada: Any, host: type[PlainSource], caplog: pytest.LogCaptureFixture
) -> None:
    Invoice.objects.update(state="open")
    assert not courses_of_order(str(invoice.pk), (), ada).waiting
    assert not courses_of_order("999999", (), ada).waiting
    host.broken = RuntimeError("the shop is away")
    assert not courses_of_order(str(invoice.pk), (), ada).waiting
    assert f"could not read order {invoice.pk}" in caplog.text


def test_having_a_course_is_to_have_it_or_to_be_about_to(adas: Make, ada: Any) -> None:
    row = adas(at_elevate="absent")
    assert has_course(ada, "course:ETHICS")
    assert not has_course(ada, "course:LAW")
    Registration.objects.filter(pk=row.pk).update(wanted=False)
    assert not has_course(ada, "course:ETHICS")


def test_a_line_that_the_source_cannot_name_is_logged_and_shows_nothing(
    host: type[PlainSource], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert seats_of_line(object()) == ("", ())
    monkeypatch.setattr(
        PlainSource, "seats_of_line", lambda self, line: (line.order_id, ["a"]), raising=False
    )
    assert seats_of_line(object()) == ("", ())
    assert "could not name the seats" in caplog.text
