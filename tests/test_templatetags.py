"""The template tags: what they show whom, when a page asks again, and that they work on sites with less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.utils import timezone

from elevate_integration.members import arriving
from elevate_integration.models import ProductMapping, Registration
from tests.members.conftest import ada, adas, bob, host, mapping
from tests.plainshop.models import Invoice, Item
from tests.plainshop.source import PlainSource

__all__ = ["ada", "adas", "bob", "host", "mapping"]

Make = Callable[..., Registration]
ASKS = "data-elevate-ticket"
LINK = 'href="https://elevate.example/p"'


def show(rf: Any, tag: str, user: Any = None, **context: Any) -> str:
    request = context.pop("request", None) or rf.get("/thanks/")
    request.user = user or AnonymousUser()
    names = {"request": request, "user": request.user, **context}
    return Template("{% load elevate %}" + tag).render(Context(names)).strip()


def test_my_courses_are_shown_in_any_page(adas: Make, ada: Any, bob: Any, rf: Any) -> None:
    adas()
    assert LINK in show(rf, "{% elevate_courses user %}", ada)
    assert LINK not in show(rf, "{% elevate_courses user %}", bob)
    assert LINK not in show(rf, "{% elevate_courses user %}")


def test_a_template_shows_the_courses_in_its_own_way(adas: Make, ada: Any, rf: Any) -> None:
    adas()
    tag = "{% get_elevate_courses user as courses %}{% for c in courses %}{{ c.title }}|{{ c.standing.label }}{% endfor %}"
    assert show(rf, tag, ada) == "Ethics|Ready"


def test_a_page_asks_again_only_while_something_is_under_way(adas: Make, ada: Any, rf: Any) -> None:
    row = adas(at_elevate="absent")
    page = show(rf, "{% elevate_courses user %}", ada)
    assert ASKS in page
    assert "watch.js" in page
    assert 'href="/elevate/courses/"' in page
    Registration.objects.filter(pk=row.pk).update(obstacle="refused", status="refused")
    page = show(rf, "{% elevate_courses user %}", ada)
    assert "We are on it" in page
    assert ASKS not in page
    assert "watch.js" not in page


@pytest.mark.parametrize("ref", [7, "7"])
def test_an_orders_courses_are_shown_by_its_reference(adas: Make, ada: Any, rf: Any, ref: Any) -> None:
    adas(order_ref="7", seat_key="a")
    adas(order_ref="7", seat_key="b", at_elevate="absent", obstacle="refused")
    adas(order_ref="70", seat_key="a")
    assert show(rf, "{% elevate_link ref %}", ada, ref=ref).count("<li") == 2
    page = show(rf, "{% elevate_link ref 'b' %}", ada, ref=ref)
    assert page.count("<li") == 1
    assert "We are on it" in page


def test_an_order_may_be_named_by_a_uuid(adas: Make, ada: Any, rf: Any) -> None:
    ref = UUID(int=7)
    adas(order_ref=str(ref))
    assert LINK in show(rf, "{% elevate_link ref %}", ada, ref=ref)


def test_an_order_line_is_named_by_the_source(
    adas: Make, ada: Any, rf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    adas(order_ref="7", seat_key="item:3")
    adas(order_ref="7", seat_key="item:4", at_elevate="absent", obstacle="refused")
    item = Item(pk=3, invoice_id=7)
    assert show(rf, "{% elevate_link item %}", ada, item=item) == "", "this source names no lines"
    monkeypatch.setattr(
        PlainSource,
        "seats_of_line",
        lambda self, one: (str(one.invoice_id), (f"item:{one.pk}",)),
        raising=False,
    )
    page = show(rf, "{% elevate_link item %}", ada, item=item)
    assert LINK in page
    assert page.count("<li") == 1
    assert show(rf, "{% elevate_link missing %}", ada) == ""


def test_right_after_the_payment_the_page_says_so_and_asks_again(
    mapping: ProductMapping, ada: Any, rf: Any
) -> None:
    invoice = Invoice.objects.create(state="paid", issued=timezone.now())
    Item.objects.create(invoice=invoice, course="ETHICS", price="1.00", person_id="M-Ada")
    page = show(rf, "{% elevate_link ref %}", ada, ref=invoice.pk)
    assert "is being set up" in page
    assert ASKS in page
    assert 'href="/elevate/courses/"' in page, "works without a script, too"
    ProductMapping.objects.all().update(active=False)
    page = show(rf, "{% elevate_link ref %}", ada, ref=invoice.pk)
    assert "set up" not in page
    assert ASKS not in page


def test_the_way_back_is_for_those_who_came_from_elevate(adas: Make, ada: Any, rf: Any) -> None:
    adas(order_ref="7")
    request = rf.get("/thanks/")
    request.session = {}
    tag = "{% elevate_way_back request 7 %}"
    assert show(rf, tag, ada, request=request) == ""
    arriving.remember(request, "OTHER")
    page = show(rf, tag, ada, request=request)
    assert LINK not in page
    assert 'href="https://elevate.example"' in page, "no such course: back to the site"
    assert ASKS not in page
    arriving.remember(request, "ABCD1234")
    page = show(rf, tag, ada, request=request)
    assert f"{LINK}>Back to Ethics</a>" in page
    assert show(rf, "{% elevate_way_back request %}", ada) == ""


def test_the_way_back_opens_as_soon_as_the_course_is_there(
    mapping: ProductMapping, ada: Any, rf: Any
) -> None:
    invoice = Invoice.objects.create(state="paid", issued=timezone.now())
    Item.objects.create(invoice=invoice, course="ETHICS", price="1.00", person_id="M-Ada")
    request = rf.get("/thanks/")
    request.session = {}
    arriving.remember(request, "ABCD1234")
    page = show(rf, "{% elevate_way_back request ref %}", ada, request=request, ref=invoice.pk)
    assert "opens here in a few seconds" in page
    assert ASKS in page


def test_a_guest_is_led_back_to_the_site(mapping: ProductMapping, rf: Any) -> None:
    request = rf.get("/thanks/")
    request.session = {}
    arriving.remember(request, "ABCD1234")
    page = show(rf, "{% elevate_way_back request 7 %}", request=request)
    assert 'href="https://elevate.example"' in page
    assert ASKS not in page


def test_a_site_that_does_not_include_our_addresses_shows_courses_and_asks_nothing(
    adas: Make, ada: Any, rf: Any, settings: Any
) -> None:
    settings.ROOT_URLCONF = "example_project.members.urls"
    adas(order_ref="7", at_elevate="absent")
    for tag in ("{% elevate_courses user %}", "{% elevate_link 7 %}"):
        page = show(rf, tag, ada)
        assert "Being set up" in page
        assert ASKS not in page


def test_the_pages_need_no_template_of_the_host(adas: Make, ada: Any, client: Any, settings: Any) -> None:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]
    adas()
    client.force_login(ada)
    page = client.get("/elevate/courses/").content.decode()
    assert page.startswith("<!doctype html>")
    assert '<html lang="en-us">' in page
    assert LINK in page
    client.logout()
    assert "<button" in client.get("/elevate/register/ABCD1234/").content.decode()
    assert client.get("/elevate/register/NOPE/").status_code == 404
    settings.LANGUAGE_CODE = "he"
    assert 'dir="rtl"' in client.get("/elevate/register/NOPE/").content.decode()
