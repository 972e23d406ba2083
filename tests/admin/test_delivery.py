"""The page on delivery, the orders, and the pages on a site of the host's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import include, path
from django.utils import timezone

from elevate_integration.admin import register
from elevate_integration.models import DeliveryState, OrderMark, ProductMapping, Registration, TrackedOrder
from tests.plainshop.source import PlainSource

PAGE = "/admin/elevate_integration/deliverystate/"
ORDERS = "/admin/elevate_integration/trackedorder/"
RESYNC = f"{ORDERS}resync/"
LogIn = Callable[..., Client]

office = admin.AdminSite(name="office")
register(office)
urlpatterns = [path("back/office/", office.urls), path("", include("example_project.urls"))]


def text_of(response: Any) -> str:
    return str(response.content.decode())


def state(**fields: Any) -> None:
    DeliveryState.objects.update_or_create(pk=1, defaults={"heartbeat_at": timezone.now(), **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Running"),
        ({"heartbeat_at": None}, "No sign of life"),
        ({"paused": True, "paused_by": "ann", "paused_at": timezone.now()}, "Paused by ann"),
        ({"gate": "unreachable", "gate_message": "<b>refused</b>"}, "Elevate cannot be reached"),
        ({"gate": "key", "gate_since": timezone.now(), "probe_at": timezone.now()}, "Check the API key"),
        ({"alarm": "More cancels\nthan usual", "alarm_at": timezone.now()}, "More cancels<br>than usual"),
    ],
)
def test_the_page_says_how_delivery_is(boss: Client, fields: dict[str, Any], words: str) -> None:
    state(**fields)
    page = text_of(boss.get(PAGE))
    assert words in page
    assert "<b>refused" not in page


def test_the_page_counts_and_links(boss: Client, row: Callable[..., Registration]) -> None:
    row()
    row(at_elevate="present", wanted=False, obstacle="parked")
    state(alarm="Brake.", alarm_at=timezone.now())
    page = text_of(boss.get(PAGE))
    assert "?status=pending" in page
    assert "1 cancellation is held back" in page


def test_pause_resume_and_clear(boss: Client) -> None:
    state(alarm="Look.", gate="key")
    assert "Delivery is paused." in text_of(boss.post(f"{PAGE}act/pause/", follow=True))
    assert DeliveryState.objects.get().paused_by == "boss@example.org"
    assert "Resume" in text_of(boss.get(PAGE))
    boss.post(f"{PAGE}act/resume/")
    boss.post(f"{PAGE}act/clear_alarm/")
    found = DeliveryState.objects.get()
    assert (found.paused, found.gate, found.alarm) == (False, "", "")
    entries = LogEntry.objects.order_by("pk")
    assert [entry.get_change_message() for entry in entries] == [
        "Paused delivery.", "Resumed delivery.", "Cleared the alarm.",
    ]  # fmt: skip


def test_the_page_says_who_used_the_switch_and_when(boss: Client) -> None:
    boss.post(f"{PAGE}act/pause/")
    boss.post(f"{PAGE}act/resume/")
    page = text_of(boss.get(PAGE))
    history = page[page.index("Who paused and resumed") :]
    assert history.index("Resumed delivery.") < history.index("Paused delivery.")
    assert history.count("boss@example.org") == 2


def test_what_was_so_already_is_told_and_not_recorded_as_done(boss: Client) -> None:
    state(paused=True, paused_by="ann", paused_at=timezone.now())
    assert "Delivery was paused already." in text_of(boss.post(f"{PAGE}act/pause/", follow=True))
    assert "There was no alarm any more." in text_of(boss.post(f"{PAGE}act/clear_alarm/", follow=True))
    assert DeliveryState.objects.get().paused_by == "ann"
    assert not LogEntry.objects.exists()


def test_an_act_from_the_overview_leads_back_to_it(boss: Client) -> None:
    assert boss.post(f"{PAGE}act/pause/", {"overview": "yes"})["Location"] == "/admin/elevate_integration/"


@pytest.mark.parametrize(
    ("dispatcher", "seconds", "silent"),
    [("worker", 300, True), ("thread", 300, False), ("thread", 1000, True), ("inline", 10**6, False)],
)
def test_silence_is_judged_by_the_dispatcher(
    boss: Client, settings: Any, dispatcher: str, seconds: float, silent: bool
) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "DISPATCHER": dispatcher}
    state(heartbeat_at=timezone.now() - timedelta(seconds=seconds))
    assert ("No sign of life" in text_of(boss.get(PAGE))) is silent


@pytest.mark.parametrize("name", ["pause", "resume", "clear_alarm"])
def test_a_forged_post_is_refused(staff_client: LogIn, name: str) -> None:
    state(alarm="Look.")
    client = staff_client("view_deliverystate", "cancel_registration", "retry_registration")
    page = text_of(client.get(PAGE))
    assert "/act/" not in page
    assert client.post(f"{PAGE}act/{name}/").status_code == 403
    assert client.get(f"{PAGE}act/{name}/").status_code == 405


def test_others_do_not_see_it(staff_client: LogIn) -> None:
    assert staff_client("view_registration").get(PAGE).status_code == 403


def test_odd_requests(boss: Client) -> None:
    assert boss.post(f"{PAGE}act/explode/").status_code == 404
    assert boss.get(f"{PAGE}1/change/")["Location"] == PAGE
    assert boss.get(f"{PAGE}add/").status_code == 403


def test_orders_that_could_not_be_read_are_found_and_resynced(boss: Client) -> None:
    TrackedOrder.objects.create(order_ref="1", last_error="ValueError: <b>", failures=2)
    fine = TrackedOrder.objects.create(order_ref="2")
    response = boss.get(f"{ORDERS}?failed=yes")
    assert [one.order_ref for one in response.context["cl"].queryset] == ["1"]
    assert "ValueError: &lt;b&gt;" in text_of(response)
    asked = boss.post(
        f"{ORDERS}?failed=yes", {"action": "resync", "_selected_action": [fine.pk - 1, fine.pk]}
    )
    assert "1 order was chosen." in text_of(asked), "only what the filter shows"
    assert TrackedOrder.objects.get(order_ref="1").last_error
    pks = ",".join(str(one.pk) for one in TrackedOrder.objects.all())
    assert "Resync 2 orders" in text_of(boss.post(RESYNC, {"pks": pks}))
    assert not LogEntry.objects.exists()
    done = boss.post(
        f"{RESYNC}?_changelist_filters=failed%3Dyes", {"pks": pks, "confirm": "yes"}, follow=True
    )
    assert done.redirect_chain == [(f"{ORDERS}?failed=yes", 302)]
    assert "2 orders were read again." in text_of(done)
    assert TrackedOrder.objects.get(order_ref="1").last_error == ""
    assert [entry.change_message for entry in LogEntry.objects.all()] == ["Resync."] * 2
    PlainSource.broken = ValueError("closed")
    page = text_of(boss.post(RESYNC, {"pks": fine.pk, "confirm": "yes"}, follow=True))
    assert "1 order could not be read: ValueError: closed" in page


def test_many_orders_are_read_in_the_background(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    TrackedOrder.objects.bulk_create(TrackedOrder(order_ref=str(number)) for number in range(101))
    pks = ",".join(str(one.pk) for one in TrackedOrder.objects.all())
    asked = text_of(boss.post(RESYNC, {"pks": pks}))
    assert "They are read in the background" in asked
    assert "and 81 more" in asked
    boss.post(RESYNC, {"pks": pks, "confirm": "yes"})
    assert OrderMark.objects.count() == 101
    monkeypatch.setattr("elevate_integration.admin.listing.COUNTED_AT_MOST", 100)
    chosen = {"action": "resync", "_selected_action": pks.split(","), "select_across": "1"}
    assert "More than 100 were chosen" in text_of(boss.post(ORDERS, chosen, follow=True))


def test_a_confirm_smuggled_into_the_list_of_orders_reads_nothing(boss: Client) -> None:
    one = TrackedOrder.objects.create(order_ref="1", last_error="old")
    boss.post(ORDERS, {"action": "resync", "_selected_action": [one.pk], "confirm": "yes"})
    one.refresh_from_db()
    assert one.last_error == "old"


def test_a_resync_needs_a_post_and_keys_that_are_numbers(boss: Client) -> None:
    assert boss.get(RESYNC).status_code == 405
    assert boss.post(RESYNC, {"pks": "1;2"}).status_code == 400
    assert "Nothing was chosen" in text_of(boss.post(RESYNC, {"pks": "99", "confirm": "yes"}, follow=True))


def test_resync_needs_its_permission(staff_client: LogIn) -> None:
    one = TrackedOrder.objects.create(order_ref="1", last_error="old")
    client = staff_client("view_trackedorder", "retry_registration")
    assert 'value="resync"' not in text_of(client.get(ORDERS))
    client.post(ORDERS, {"action": "resync", "_selected_action": [one.pk]})
    assert client.post(RESYNC, {"pks": one.pk, "confirm": "yes"}).status_code == 403
    one.refresh_from_db()
    assert one.last_error == "old"


@pytest.mark.urls("tests.admin.test_delivery")
def test_every_page_stays_on_the_hosts_own_admin_site(
    boss: Client, mapping: ProductMapping, row: Callable[..., Registration]
) -> None:
    base = "/back/office/elevate_integration"
    one = row(obstacle="refused")
    for address in (
        "",
        "registration/",
        f"registration/{one.pk}/change/",
        "productmapping/",
        "productmapping/add/",
        "unmappedsale/",
        "trackedorder/",
        "deliverystate/",
    ):
        page = boss.get(f"{base}/{address}")
        assert page.status_code == 200
        assert '"/admin/elevate_integration' not in text_of(page)
    asked = boss.post(f"{base}/registration/act/retry/", {"pks": one.pk})
    assert f'action="{base}/registration/act/retry/' in text_of(asked)
    done = boss.post(f"{base}/registration/act/retry/", {"pks": one.pk, "confirm": "yes"})
    assert done["Location"] == f"{base}/registration/"
    register(office)
