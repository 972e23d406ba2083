"""The overview: what it tells, to whom, what can be pressed from it, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone

from elevate_integration.admin.overview import duration
from elevate_integration.admin.registrations import RegistrationAdmin
from elevate_integration.identity import identity_changed
from elevate_integration.models import DeliveryState, ProductMapping, Registration, TrackedOrder, UnmappedSale
from tests.rows import make_mapping, make_row

PAGE = "/admin/elevate_integration/"
LogIn = Callable[..., Client]
Row = Callable[..., Registration]

lean = admin.AdminSite(name="lean")
lean.register(Registration, RegistrationAdmin)
urlpatterns = [path("lean/", lean.urls), path("", include("example_project.urls"))]


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", str(response.content.decode()))


def state(**fields: Any) -> None:
    DeliveryState.objects.update_or_create(pk=1, defaults={"heartbeat_at": timezone.now(), **fields})


def refused(row: Row, number: int, **fields: Any) -> list[Registration]:
    said = [["", "The requested product could not be found."]]
    return [row(obstacle="refused", error_messages=said, **fields) for _ in range(number)]


def test_an_empty_shop_gets_a_page_that_says_so(boss: Client) -> None:
    page = text_of(boss.get(PAGE))
    assert "No sign of life" in page
    assert "Nothing. Every registration goes its way." in page
    assert "There are none yet." in page
    assert "There is nothing to measure yet." in page
    assert "chart.umd" not in page


def test_the_index_leads_to_the_overview_and_it_still_lists_the_models(boss: Client) -> None:
    assert f'href="{PAGE}"' in text_of(boss.get("/admin/"))
    assert f'href="{PAGE}trackedorder/"' in text_of(boss.get(PAGE))


def test_each_status_is_counted_and_leads_to_its_list(boss: Client, row: Row) -> None:
    row()
    row()
    row(at_elevate="present")
    page = text_of(boss.get(PAGE))
    assert re.search(r'registration/\?status=pending">.*?pending.*?</th><td[^>]*>2</td>', page)
    assert re.search(r'registration/\?status=registered">.*?registered.*?</th><td[^>]*>1</td>', page)
    assert "?status=refused" not in page


@pytest.mark.parametrize(("hours", "warned"), [(2, True), (0.1, False)])
def test_the_oldest_due_row_is_told_and_warned_about_after_an_hour(
    boss: Client, row: Row, hours: float, warned: bool
) -> None:
    row(due_at=timezone.now() - timedelta(hours=hours))
    row(due_at=timezone.now() + timedelta(hours=1))
    page = text_of(boss.get(PAGE))
    assert "The oldest one that is due has waited for" in page
    assert ('<p class="elevate-note elevate-warn">The oldest' in page) is warned


def test_what_went_through_is_drawn_and_written(boss: Client, row: Row) -> None:
    row(at_elevate="present")
    row(at_elevate="present", registered_at=timezone.now() - timedelta(days=3))
    page = text_of(boss.get(PAGE))
    assert "1 registration went through." in page
    assert page.count('<td class="elevate-number">1</td>') == 1
    assert "chartjs/chart.umd.min.js" in page
    assert "//cdn" not in page


def test_the_time_from_order_to_access_is_told(boss: Client, row: Row) -> None:
    for seconds in (4, 4, 400):
        made = row(at_elevate="present")
        done = timezone.now()
        Registration.objects.filter(pk=made.pk).update(
            created_at=done - timedelta(seconds=seconds), registered_at=done
        )
    page = text_of(boss.get(PAGE))
    assert "<dd>4 seconds</dd>" in page
    assert "<dd>6 minutes</dd>" in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 second"),
        (1.4, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "120 minutes"),
        (7200, "2 hours"),
        (172799, "48 hours"),
        (172800, "2 days"),
        (864000, "10 days"),
    ],
)
def test_durations_are_told_in_their_largest_fitting_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Delivery is running"),
        ({"paused": True, "paused_by": "ann", "paused_at": timezone.now()}, "Paused by ann"),
        ({"gate": "unreachable"}, "Elevate cannot be reached"),
        ({"gate": "key"}, "Elevate refuses the API key"),
        ({"gate": "busy"}, "Elevate asks to wait"),
        ({"heartbeat_at": None}, "Nothing is being delivered."),
        ({"alarm": "More <b>cancels"}, "More &lt;b&gt;cancels"),
    ],
)
def test_the_overview_says_how_delivery_is(boss: Client, fields: dict[str, Any], words: str) -> None:
    state(**fields)
    assert words in text_of(boss.get(PAGE))


def test_trouble_is_grouped_with_the_mends_beside_it(boss: Client, row: Row, mapping: ProductMapping) -> None:
    rows = refused(row, 14)
    page = text_of(boss.get(PAGE))
    assert '14 registrations, <em dir="auto">Ethics</em>' in page
    assert page.count("The requested product could not be found.") == 1
    assert f"{PAGE}productmapping/{mapping.pk}/change/" in page
    assert "Retry (14)…" in page
    assert f"?status=refused&amp;trouble=yes&amp;mapping={mapping.pk}" in page
    keys = re.search(r'registration/act/retry/">.*?name="pks" value="([\d,]+)"', page)
    assert keys is not None
    asked = text_of(boss.post(f"{PAGE}registration/act/retry/", {"pks": keys.group(1)}))
    assert "14 registrations were chosen." in asked
    assert Registration.objects.filter(status="refused").count() == 14
    boss.post(f"{PAGE}registration/act/retry/", {"pks": keys.group(1), "confirm": "yes"})
    assert Registration.objects.filter(status="pending").count() == len(rows)


def test_a_single_row_leads_to_its_own_page(boss: Client, row: Row) -> None:
    (one,) = refused(row, 1)
    page = text_of(boss.get(PAGE))
    assert f"{PAGE}registration/{one.pk}/change/" in page
    assert "Open the registration" in page


@pytest.mark.parametrize(
    ("fields", "offered"),
    [
        ({"obstacle": "refused"}, ["retry"]),
        ({"obstacle": "incomplete", "problems": "no_email"}, []),
        ({"at_elevate": "maybe", "obstacle": "doubt"}, ["retry"]),
        ({"at_elevate": "maybe", "obstacle": "doubt", "wanted": False}, ["mark_cancelled"]),
        (
            {"at_elevate": "present", "obstacle": "cancel_refused", "wanted": False},
            ["retry", "mark_cancelled", "keep"],
        ),
        ({"at_elevate": "present", "obstacle": "parked", "wanted": False}, ["let_go", "keep"]),
    ],
)
def test_each_trouble_offers_what_may_mend_it(
    boss: Client, row: Row, fields: dict[str, Any], offered: list[str]
) -> None:
    row(**fields)
    page = text_of(boss.get(PAGE))
    assert re.findall(r"registration/act/(\w+)/", page) == offered
    assert "Needs a person" in page


def test_a_row_with_an_open_call_is_not_offered(boss: Client, row: Row) -> None:
    refused(row, 2)
    row(obstacle="refused", error_messages=[["", "The requested product could not be found."]],
        claim_token="12345678123456781234567812345678")  # fmt: skip
    assert "Retry (2)…" in text_of(boss.get(PAGE))


def test_only_so_many_groups_are_shown_and_the_others_are_counted(boss: Client, row: Row) -> None:
    for number in range(23):
        row(obstacle="refused", error_messages=[["", f"Reason {number}"]])
    page = text_of(boss.get(PAGE))
    assert page.count("<article") == 20
    assert "and 3 more kinds of trouble" in page
    assert "?trouble=yes" in page


def test_it_says_when_only_the_newest_rows_were_grouped(
    boss: Client, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elevate_integration.overview.GROUPED_AT_MOST", 2)
    refused(row, 3)
    page = text_of(boss.get(PAGE))
    assert "Retry (2)…" in page
    assert "There are more with the status “refused”" in page


def test_what_elevate_said_is_never_markup(boss: Client, row: Row) -> None:
    row(obstacle="refused", product_title="<b>", error_messages=[["<i>", "<script>alert(1)</script>"]])
    page = text_of(boss.get(PAGE))
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_unmapped_sales_and_unreadable_orders_are_named(boss: Client) -> None:
    for number in range(2):
        UnmappedSale.objects.create(order_ref="1", seat_key=str(number), product_keys="\nart\n")
    UnmappedSale.objects.create(order_ref="2", seat_key="1", product_keys="\nart\n", decision="left")
    TrackedOrder.objects.create(order_ref="1", last_error="x", failures=1, failed_at=timezone.now())
    TrackedOrder.objects.create(order_ref="2")
    page = text_of(boss.get(PAGE))
    assert "2 seats were sold without a mapping" in page
    assert "1 order cannot be read" in page
    assert f"{PAGE}trackedorder/?failed=yes" in page
    assert "Nothing. Every registration" not in page


def test_a_viewer_sees_no_button(staff_client: LogIn, row: Row) -> None:
    rows = refused(row, 2)
    state(alarm="Look.", gate="key")
    client = staff_client("view_registration", "view_deliverystate", "view_productmapping")
    page = text_of(client.get(PAGE))
    assert "2 registrations" in page
    assert "Open the mapping" in page
    assert "/act/" not in page
    for name in ("retry", "keep", "let_go", "mark_cancelled"):
        forged = {"pks": rows[0].pk, "confirm": "yes", "overview": "yes"}
        assert client.post(f"{PAGE}registration/act/{name}/", forged).status_code == 403
    for name in ("pause", "resume", "clear_alarm"):
        assert client.post(f"{PAGE}deliverystate/act/{name}/", {"overview": "yes"}).status_code == 403
    assert not DeliveryState.objects.get().paused


@pytest.mark.parametrize(
    ("codename", "sees", "does_not_see"),
    [
        ("view_registration", ["Needs a person", "Registrations"], ["Delivery is", "without a mapping"]),
        ("view_deliverystate", ["Delivery is running"], ["Needs a person", "act/pause", "Ethics"]),
        ("pause_delivery", ["Delivery is running", "act/pause"], ["Needs a person", "Ethics"]),
        ("map_product", ["1 seat was sold without a mapping"], ["Delivery is", "Ethics", "From order"]),
    ],
)
def test_each_permission_shows_its_own_part(
    staff_client: LogIn, row: Row, codename: str, sees: list[str], does_not_see: list[str]
) -> None:
    state()
    refused(row, 1)
    UnmappedSale.objects.create(order_ref="1", seat_key="1", product_keys="\nart\n")
    page = text_of(staff_client(codename).get(PAGE))
    assert not [words for words in sees if words not in page]
    assert not [words for words in does_not_see if words in page]


def test_somebody_without_any_permission_of_ours_gets_no_page(staff_client: LogIn) -> None:
    assert staff_client().get(PAGE).status_code == 404
    assert Client().get(PAGE).status_code == 302


@pytest.mark.urls("tests.admin.test_overview")
def test_a_site_with_some_of_the_pages_leaves_the_other_links_out(boss: Client, row: Row) -> None:
    refused(row, 2)
    UnmappedSale.objects.create(order_ref="1", seat_key="1", product_keys="\nart\n")
    page = text_of(boss.get("/lean/elevate_integration/"))
    assert "/lean/elevate_integration/registration/act/retry/" in page
    assert '"/admin/elevate_integration' not in page
    assert "Open the mapping" not in page
    assert "Pause delivery" not in page


def test_it_costs_the_same_however_much_there_is(boss: Client, row: Row, mapping: ProductMapping) -> None:
    """A bound for everything, with Django's own (session, person, permissions); of ours there are at most 17."""
    ContentType.objects.get_for_model(DeliveryState)
    state()
    other = make_mapping(product_key="law", product_title="Law", remote_product_id="LAW5678")

    def fill(number: int) -> None:
        for _ in range(number):
            refused(row, 1)
            make_row(other, obstacle="refused")
            row(obstacle="incomplete", problems="no_email")
            row(at_elevate="maybe", obstacle="doubt", product_title="")
            row(at_elevate="present", wanted=False, obstacle="cancel_refused")
            row(at_elevate="present", wanted=False, obstacle="parked")
            row(at_elevate="present")
            row(due_at=timezone.now())

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            text_of(boss.get(PAGE))
        return len(queries)

    fill(1)
    first = cost()
    fill(9)
    assert cost() == first
    assert first <= 20


def test_seats_that_are_registered_twice_are_told_and_linked(boss: Client, row: Row) -> None:
    row(at_elevate="present", registration_id="501", duplicate_ids="500")
    page = text_of(boss.get(PAGE))
    assert "1 seat is registered twice at Elevate." in page
    assert f"{PAGE}registration/duplicates/" in page


def test_learners_whose_user_id_changed_after_they_were_sent_are_told_and_listed(
    boss: Client, row: Row
) -> None:
    row(at_elevate="present", registration_id="501", remote_user_id="M-1", learner_key="M-1")
    row(at_elevate="present", registration_id="502", remote_user_id="M-3", learner_key="M-3")
    identity_changed("M-1", "M-2")
    page = text_of(boss.get(PAGE))
    assert "1 registration is at Elevate under an older user ID." in page
    listed = text_of(boss.get(f"{PAGE}registration/", {"trouble": "renamed"}))
    assert "1 registration" in listed
    found = boss.get(f"{PAGE}registration/", {"trouble": "renamed"}).context["cl"].result_list
    assert [one.registration_id for one in found] == ["501"]


def test_looking_changes_nothing(boss: Client, row: Row) -> None:
    refused(row, 1)
    with CaptureQueriesContext(connection) as queries:
        boss.get(PAGE)
    assert not [q["sql"] for q in queries if not q["sql"].lstrip().upper().startswith("SELECT")]


def test_the_static_files_survive_a_storage_that_follows_what_they_name(
    tmp_path: Path, settings: Any
) -> None:
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}
    settings.STATIC_ROOT = tmp_path
    call_command("collectstatic", interactive=False, verbosity=0)
    kept = {path.name for path in (tmp_path / "elevate_integration" / "chartjs").iterdir()}
    assert {"chart.umd.min.js", "LICENSE.md", "README.md"} <= kept
