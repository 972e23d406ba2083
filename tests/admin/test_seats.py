"""Staff name the learners of seats: who may, what is shown and recorded, and what a sent seat asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import OperationalError
from django.test import Client
from django.urls import path

from elevate_integration import seats
from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import OrderMark, Registration, SeatAssignment
from elevate_integration.orders.source import Learner
from elevate_integration.sync import lock_order, sync_order
from tests.plainshop.models import Invoice, Item
from tests.plainshop.seats import GroupSource
from tests.views.test_seats import filled

LogIn = Callable[..., Client]
NAMES, MAY = ("view_registration", "name_learner"), "Name the learners of this order"
EVE = {"a_first_name": "Eve", "a_last_name": "S", "a_email": "eve@example.org"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def row(groupshop: type[GroupSource], sell: Any, elevate: Any) -> Registration:
    """The registration of a seat that waits for a name, in an order of three seats."""
    invoice: Invoice = sell()
    for _ in range(2):
        Item.objects.create(invoice=invoice, course="ETHICS", price="120.00")
    OrderMark.objects.all().delete()
    sync_order(str(invoice.pk), trigger="staff")
    return Registration.objects.filter(status="held").earliest("pk")


def url_of(row: Registration) -> str:
    return f"/admin/elevate_integration/registration/seats/{row.pk}/"


def change_url(row: Registration) -> str:
    return f"/admin/elevate_integration/registration/{row.pk}/change/"


def text(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_staff_name_a_learner_and_it_is_recorded(
    row: Registration, staff_client: LogIn, deliver: Any
) -> None:
    GroupSource.accounts = {"eve@example.org": Learner("M-3", "Evelyn", "Sample", "eve@example.org")}
    client = staff_client(*NAMES)
    assert f'href="{url_of(row)}"' in text(client, change_url(row))
    html = text(client, url_of(row))
    assert not SeatAssignment.objects.exists()
    assert not OrderMark.objects.exists()
    answer = client.post(url_of(row), filled(html, **EVE), follow=True)
    assert answer.redirect_chain == [(change_url(row), 302)]
    assert "1 seat has its learner" in answer.content.decode()
    found = SeatAssignment.objects.get()
    assert (found.seat_key, found.entered_by) == (row.seat_key, "staff@example.org")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(row.pk), "Named the learners of seats.")
    deliver()
    row.refresh_from_db()
    assert (row.status, row.firstname) == ("registered", "Evelyn")
    assert MAY in text(client, change_url(row)), "another seat may be named, and this one changed"


@pytest.mark.parametrize(
    "held", [("view_registration",), ("name_learner",), ("view_registration", "retry_registration")]
)
def test_without_the_permissions_nothing_is_shown_or_written(
    row: Registration, staff_client: LogIn, held: tuple[str, ...]
) -> None:
    client = staff_client(*held)
    assert client.get(url_of(row)).status_code == 403
    key = f"{row.seat_key}-email"
    assert client.post(url_of(row), {key: "eve@example.org"}).status_code == 403
    assert not SeatAssignment.objects.exists()
    if "view_registration" in held:
        assert MAY not in text(client, change_url(row))


def test_a_forged_post_is_refused(row: Registration, boss: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = boss.cookies
    assert strict.post(url_of(row), filled(text(strict, url_of(row)), **EVE)).status_code == 403
    assert not SeatAssignment.objects.exists()


def test_a_visitor_logs_in_first_and_a_registration_that_is_gone_is_told(
    row: Registration, boss: Client
) -> None:
    assert "/login/" in Client().get(url_of(row)).headers["Location"]
    row.pk = 999
    assert boss.get(url_of(row)).status_code == 404


def sent(row: Registration) -> None:
    """Say that Elevate has a learner for the seat."""
    SeatAssignment.objects.create(
        order_ref=row.order_ref, seat_key=row.seat_key, first_name="Ben", email="ben@example.org"
    )
    sync_order(row.order_ref, trigger="staff")
    Registration.objects.filter(pk=row.pk).update(at_elevate=AtElevate.PRESENT, learner_key="M-2")


def test_a_sent_seat_is_changed_only_by_who_may_cancel(row: Registration, staff_client: LogIn) -> None:
    sent(row)
    client = staff_client(*NAMES)
    html = text(client, url_of(row))
    assert "you may not change it" in html
    assert f'name="{row.seat_key}-email"' not in html
    typed = {
        f"{row.seat_key}-{name}": value for name, value in (("first_name", "Eve"), ("email", "e@example.org"))
    }
    answer = client.post(url_of(row), {**filled(html), **typed}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert SeatAssignment.objects.get().email == "ben@example.org"


def test_who_may_cancel_names_another_for_a_sent_seat_but_never_nobody(
    row: Registration, boss: Client
) -> None:
    sent(row)
    html = text(boss, url_of(row))
    assert "the one before is cancelled at Elevate" in html
    emptied = boss.post(url_of(row), filled(html, a_first_name="", a_last_name="", a_email=""))
    assert "Name whoever takes it instead" in emptied.content.decode()
    assert boss.post(url_of(row), filled(html, **EVE)).status_code == 302
    assert SeatAssignment.objects.get().email == "eve@example.org"


def test_the_page_gives_a_link_for_the_buyer(row: Registration, boss: Client, client: Client) -> None:
    found = re.search(r'readonly value="http://testserver(/elevate/seats/[^"]+/)"', text(boss, url_of(row)))
    assert found is not None
    assert client.get(found[1]).status_code == 200


def test_what_was_typed_wrong_is_said(row: Registration, boss: Client) -> None:
    answer = boss.post(url_of(row), filled(text(boss, url_of(row)), a_first_name="Eve"))
    assert "Type the e-mail address too." in answer.content.decode()
    assert not SeatAssignment.objects.exists()


def test_a_source_that_cannot_read_is_said(
    row: Registration, boss: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(GroupSource, "broken", RuntimeError("the shop is away"))
    answer = boss.get(url_of(row), follow=True)
    assert "The order could not be read" in answer.content.decode()
    assert f"order {row.order_ref} could not be read" in caplog.text


def test_a_seat_that_is_sent_while_its_name_is_typed_is_left_and_that_is_said(
    row: Registration, staff_client: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = staff_client(*NAMES)
    html = text(client, url_of(row))

    def lock_after_a_call_that_was_open(order_ref: str) -> None:
        lock_order(order_ref)
        Registration.objects.filter(pk=row.pk).update(at_elevate=AtElevate.PRESENT, learner_key="M-2")

    monkeypatch.setattr(seats, "lock_order", lock_after_a_call_that_was_open)
    answer = client.post(url_of(row), filled(html, **EVE), follow=True)
    assert "1 seat was left as it was" in answer.content.decode()
    assert "has its learner" not in answer.content.decode()
    assert not SeatAssignment.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_database_that_fails_is_no_order_that_cannot_be_read(
    row: Registration, boss: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(GroupSource, "broken", OperationalError("server closed the connection"))
    with pytest.raises(OperationalError):
        boss.get(url_of(row))
    assert "could not be read" not in caplog.text


urlpatterns = [path("admin/", admin.site.urls)]


@pytest.mark.urls("tests.admin.test_seats")
def test_where_the_host_leaves_out_our_pages_there_is_no_link_for_the_buyer(
    row: Registration, boss: Client
) -> None:
    html = text(boss, url_of(row))
    assert f'name="{row.seat_key}-email"' in html
    assert "/seats/" not in html.replace(url_of(row), "")
