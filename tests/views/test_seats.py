"""The buyer's page on which learners are named: who is let in, what is asked for, what is written, what stays."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from elevate_integration.models import OrderMark, Registration, SeatAssignment
from elevate_integration.orders.source import Learner
from elevate_integration.seats import assignment_url
from tests.plainshop.models import Invoice, Item
from tests.plainshop.seats import GroupSource

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(groupshop: type[GroupSource], sell: Any) -> Invoice:
    """Ada bought Ethics for herself and for two others."""
    invoice: Invoice = sell()
    GroupSource.buyers[str(invoice.pk)] = Learner("M-1", "Ada", "Sample", "ada@example.org")
    GroupSource.accounts = {
        "ada@example.org": Learner("M-1", "Ada", "Sample", "ada@example.org"),
        "ben@example.org": Learner("M-2", "Benjamin", "Sample", "ben@example.org"),
    }
    for _ in range(2):
        Item.objects.create(invoice=invoice, course="ETHICS", price="120.00")
    return invoice


@pytest.fixture
def url(order: Invoice) -> str:
    """The buyer's link."""
    return assignment_url(None, order.pk)


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def filled(html: str, **typed: str) -> dict[str, str]:
    """What a browser posts: every field of the page, with what is typed. `b_email` is the e-mail of the second seat."""
    data = dict(re.findall(r'<input type="(?:text|email|hidden)" name="([^"]+)"(?: value="([^"]*)")?', html))
    data.pop("csrfmiddlewaretoken", None)
    keys = list(dict.fromkeys(name.rpartition("-")[0] for name in data if not name.startswith("initial-")))
    for name, value in typed.items():
        seat, _, field = name.partition("_")
        data[f"{keys['ab'.index(seat)]}-{field}"] = value
    return data


BEN = {"a_first_name": "Benny", "a_last_name": "S", "a_email": "ben@example.org"}


def test_a_link_lets_the_buyer_name_a_learner_who_is_registered_then(order, url, client, deliver, elevate):
    deliver()
    html = page(client, url)
    answer = client.post(url, filled(html, **BEN))
    assert answer.headers["Location"] == f"{url}?saved"
    assert "Saved." in page(client, f"{url}?saved")
    row = SeatAssignment.objects.get()
    assert (row.order_ref, row.email, row.entered_by) == (str(order.pk), "ben@example.org", "")
    deliver()
    assert sorted(held.remote_user_id for held in elevate.live()) == ["M-1", "M-2"]
    html = page(client, url)
    assert "<bdi>Benny S</bdi>, ben@example.org. This place has been sent for registration." in html
    assert "Benjamin" not in html, "the account's own name is not the buyer's to read"
    assert html.count("<legend>") == 2
    assert html.count('type="email"') == 1


def test_looking_changes_nothing(order, url, client, deliver):
    deliver()
    assert client.head(url).status_code == 200
    page(client, url)
    assert not SeatAssignment.objects.exists()
    assert not OrderMark.objects.exists()


def test_the_page_is_kept_from_search_engines_caches_and_other_sites(url, client):
    answer = client.get(url)
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_post_without_its_token_is_refused(order, url):
    strict = Client(enforce_csrf_checks=True)
    html = page(strict, url)
    assert strict.post(url, filled(html, **BEN)).status_code == 403
    assert not SeatAssignment.objects.exists()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)
    assert token is not None
    data = {**filled(html, **BEN), "csrfmiddlewaretoken": token[1]}
    assert strict.post(url, data).status_code == 302
    assert SeatAssignment.objects.exists()


@pytest.mark.parametrize(
    "ticket",
    ["1:abc:def", signing.dumps("1"), signing.dumps("1", salt="other")],
    ids=["no signature", "no salt", "another salt"],
)
def test_a_forged_link_is_refused_and_writes_nothing(order, client, ticket):
    for answer in (client.get(f"/elevate/seats/{ticket}/"), client.post(f"/elevate/seats/{ticket}/", BEN)):
        assert answer.status_code == 403
        assert "not complete" in answer.content.decode()
    assert not SeatAssignment.objects.exists()


@pytest.fixture
def old_url(order: Invoice, monkeypatch: pytest.MonkeyPatch) -> str:
    """A link of two months ago."""
    then = time.time() - 61 * 24 * 3600
    with monkeypatch.context() as patch:
        patch.setattr("django.core.signing.time.time", lambda: then)
        return assignment_url(None, order.pk)


def test_a_link_that_is_too_old_lets_in_the_buyers_log_in_alone(order, old_url, client, django_user_model):
    answer = client.get(old_url)
    assert answer.status_code == 403
    assert f'href="/elevate/seats/order/{order.pk}/"' in answer.content.decode()
    assert client.post(old_url, BEN).status_code == 403
    client.force_login(django_user_model.objects.create_user("ben@example.org", "x"))
    assert client.get(old_url).status_code == 403
    client.force_login(django_user_model.objects.create_user("ada@example.org", "x"))
    assert "<legend>" in page(client, old_url)


def test_the_buyer_gets_in_by_his_log_in_and_nobody_else_does(order, client, django_user_model):
    own = f"/elevate/seats/order/{order.pk}/"
    assert client.get(own).headers["Location"] == f"/login/?next={own}"
    client.force_login(django_user_model.objects.create_user("ben@example.org", "x"))
    assert client.get(own).status_code == 404
    assert client.post(own, BEN).status_code == 404
    client.force_login(django_user_model.objects.create_user("ada@example.org", "x"))
    assert client.get("/elevate/seats/order/0/").status_code == 404
    assert client.post(own, filled(page(client, own), **BEN)).status_code == 302
    assert SeatAssignment.objects.get().entered_by == "ada@example.org"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"a_first_name": "Ben"}, "Type the e-mail address too."),
        ({"a_email": "ben@example.org"}, "Type the name too."),
        ({"a_first_name": "Ben", "a_email": "ben@"}, "Enter a valid email address."),
        ({"a_first_name": "Be\x00n", "a_email": "ben@example.org"}, "Null characters are not allowed."),
        ({"a_first_name": "x" * 201, "a_email": "ben@example.org"}, "at most 200 characters"),
        ({"a_first_name": "Ada", "a_email": "ADA@example.org"}, "another place of the same product"),
        ({**BEN, "b_first_name": "B", "b_email": "Ben@example.org"}, "another place of the same product"),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_typed_and_nothing_is_written(order, url, client, typed, said):
    good = {"b_first_name": "Eve", "b_email": "eve@example.org"}
    answer = client.post(url, filled(page(client, url), **{**good, **typed}))
    assert answer.status_code == 200
    html = answer.content.decode()
    assert said in html
    assert "Nothing was saved yet" in html
    assert 'value="eve@example.org"' in html or "b_email" in typed
    assert not SeatAssignment.objects.exists()


def test_what_is_typed_is_escaped(order, url, client):
    typed = {**BEN, "a_first_name": '"><script>alert(1)</script>'}
    client.post(url, filled(page(client, url), **typed))
    assert "<script>alert" not in page(client, url)
    assert SeatAssignment.objects.get().first_name == typed["a_first_name"]


def test_a_page_that_stood_open_takes_back_nothing_that_was_typed_meanwhile(order, url, client):
    old = page(client, url)
    client.post(url, filled(page(client, url), **BEN))
    client.post(url, filled(old, b_first_name="Eve", b_email="eve@example.org"))
    assert sorted(SeatAssignment.objects.values_list("email", flat=True)) == [
        "ben@example.org",
        "eve@example.org",
    ]


def test_a_page_that_stood_open_changes_no_seat_that_was_sent_meanwhile_and_says_so(
    order, url, client, deliver, elevate
):
    client.post(url, filled(page(client, url), **BEN))
    old = page(client, url)
    deliver()
    late = {
        "a_first_name": "Eve",
        "a_email": "eve@example.org",
        "b_first_name": "Joe",
        "b_email": "joe@example.org",
    }
    answer = client.post(url, filled(old, **late))
    assert answer.headers["Location"] == f"{url}?late"
    assert "could not be changed" in page(client, f"{url}?late")
    assert sorted(SeatAssignment.objects.values_list("email", flat=True)) == [
        "ben@example.org",
        "joe@example.org",
    ]


def test_an_order_without_open_seats_says_so(groupshop, sell, client):
    order = sell()
    assert "Nobody has to be named" in page(client, assignment_url(None, order.pk))
    assert "Nobody has to be named" in page(client, assignment_url(None, "0"))


def test_a_source_that_cannot_read_is_logged_and_asks_to_try_again(
    order, url, client, groupshop, monkeypatch, caplog
):
    monkeypatch.setattr(groupshop, "broken", RuntimeError("the shop is away"))
    answer = client.get(url)
    assert answer.status_code == 503
    assert "nothing was changed" in answer.content.decode()
    assert "could not be shown" in caplog.text


def test_my_courses_leads_the_buyer_to_the_page(
    order, client, deliver, django_user_model, monkeypatch, caplog
):
    deliver()
    link = f'href="/elevate/seats/order/{order.pk}/"'
    client.force_login(django_user_model.objects.create_user("ben@example.org", "x"))
    assert link not in page(client, "/elevate/courses/")
    client.force_login(django_user_model.objects.create_user("ada@example.org", "x"))
    assert link in page(client, "/elevate/courses/")
    assert Registration.objects.filter(status="held").count() == 2
    monkeypatch.setattr(GroupSource, "broken", RuntimeError("the shop is away"))
    assert link not in page(client, "/elevate/courses/")
    assert "wait for names" in caplog.text
