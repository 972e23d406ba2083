"""The pages in a real browser: the product picker, and every page at a phone's width without sideways scrolling."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils.timezone import now

from elevate_integration.models import ProductMapping, Registration, TrackedOrder, UnmappedSale
from elevate_integration.reconcile import button
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.testing import FakeElevate

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture
def page(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A phone-sized browser, logged in as somebody who may do everything; a script error fails the test."""
    # Playwright keeps an event loop in this thread; the tests' own queries are synchronous all the same.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    get_user_model().objects.create_superuser("boss@example.org", "secret")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 390, "height": 844}, base_url=live_server.url)
        tab = context.new_page()
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
        tab.goto("/admin/login/")
        tab.fill("#id_username", "boss@example.org")
        tab.fill("#id_password", "secret")
        tab.click("input[type=submit]")
        yield tab
        # Inside the event loop the test had connections of its own, which nobody else closes.
        connections.close_all()
        context.close()
        browser.close()
    assert errors == []


def a_difference(row: Registration, *, message: str, note: str) -> Discrepancy:
    day = ReconciledDay.objects.create(
        site="https://elevate.example",
        day=date(2025, 3, 1),
        state="read",
        message=message,
        read_at=now(),
        settled=12,
    )
    return Discrepancy.objects.create(
        day=day,
        kind="amount",
        subject="x",
        registration=row,
        note=note,
        first_seen_at=now(),
        last_seen_at=now(),
    )


def test_the_picker_fills_what_is_empty_and_keeps_what_was_typed(page: Any) -> None:
    page.goto("/admin/elevate_integration/productmapping/add/")
    page.fill("#id_remote_product_id", "TYPED")
    page.fill("#id_product_key", "course:LAW")
    page.wait_for_function("document.querySelector('#id_product_title').value === 'Law'")
    assert page.input_value("#id_remote_product_id") == "TYPED"
    page.fill("#id_product_key", "course:ETHICS")
    page.wait_for_function("document.querySelector('#id_product_title').value === 'Ethics 101'")
    page.fill("#id_product_title", "My own words")
    page.fill("#id_product_key", "course:LAW")
    page.wait_for_timeout(500)
    assert page.input_value("#id_product_title") == "My own words"


def test_every_page_fits_a_phone(
    page: Any, mapping: ProductMapping, row: Callable[..., Registration]
) -> None:
    evil = "<script>alert(1)</script>" + "x" * 300
    one = row(obstacle="refused", error_messages=[["product", evil]], product_title="A long title " * 15)
    UnmappedSale.objects.create(
        order_ref="1", seat_key="1", product_keys="\nart\n", product_title="Art " * 40
    )
    different = a_difference(one, message=evil, note=evil)
    for address in (
        "registration/",
        f"registration/{one.pk}/change/",
        "registration/duplicates/",
        f"registration/forget/{one.pk}/",
        "productmapping/",
        "productmapping/add/?product_key=art",
        "unmappedsale/",
        "trackedorder/",
        "deliverystate/",
        "reconciledday/",
        "reconciledday/compare/?day=2025-03-01",
        "discrepancy/",
        f"discrepancy/{different.pk}/change/",
    ):
        page.goto(f"/admin/elevate_integration/{address}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_a_registration_is_cancelled_from_its_page(page: Any, row: Callable[..., Registration]) -> None:
    one = row(at_elevate="present")
    page.goto(f"/admin/elevate_integration/registration/{one.pk}/change/")
    page.click(".elevate-acts button:has-text('Cancel')")
    page.fill("#id_explanation", "Moved to May")
    page.click("input.elevate-strong")
    page.wait_for_selector(".messagelist .success")
    assert "cancelling" in page.inner_text(".elevate-headline")
    one.refresh_from_db()
    assert one.cancel_details["explanation"] == "Moved to May"


def test_a_day_is_compared_and_its_difference_decided(
    page: Any, mapping: ProductMapping, settings: Any
) -> None:
    with FakeElevate(products=[mapping.remote_product_id]) as elevate:
        settings.ELEVATE = {**settings.ELEVATE, "URL": elevate.url, "REPORT_PAUSE": 0}
        noon = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
        elevate.add_registration(mapping.remote_product_id, email="eve@example.org", at=noon)
        page.goto("/admin/elevate_integration/reconciledday/")
        page.fill("#elevate-day", "2025-03-01")
        page.click("input[value^='Compare this day']")
        page.click("input[value='Compare this day']")
        page.wait_for_selector(".messagelist .success")
        button.join()
        page.reload()
        page.click("#result_list .field-differences a")
    page.click("#result_list .field-product a")
    assert "there and not here" in page.inner_text(".elevate-headline")
    page.click(".elevate-acts button:has-text('Right as it is')")
    page.fill("#id_note", "Made by hand for a speaker.")
    page.click("input.default")
    page.wait_for_selector(".messagelist .success")
    assert "Made by hand for a speaker." in page.inner_text(".elevate-card")
    assert not Discrepancy.objects.waiting().exists()


@pytest.mark.parametrize("language", ["en-us", "fr", "es", "he"])
def test_the_lists_fit_beside_the_navigation_and_the_filters(
    page: Any, mapping: ProductMapping, row: Callable[..., Registration], settings: Any, language: str
) -> None:
    settings.LANGUAGE_CODE = language
    page.set_viewport_size({"width": 1200, "height": 900})
    row(
        obstacle="cancel_refused", wanted=False, at_elevate="present", error_messages=[["product", "x" * 200]]
    )
    row(
        firstname="Wilhelmina-Charlotte",
        lastname="Featherstonehaugh",
        email="wilhelmina.featherstonehaugh@association-of-surveyors.example.org",
        product_title="Professional Responsibility and Ethics",
    )
    TrackedOrder.objects.create(order_ref="9001", failures=3, last_error="x" * 200, first_synced_at=now())
    a_difference(
        Registration.objects.latest("pk"), message="A day beside it could not be read. " * 5, note="x" * 200
    )
    for address in ("registration/", "productmapping/", "trackedorder/", "reconciledday/", "discrepancy/"):
        page.goto(f"/admin/elevate_integration/{address}")
        room = page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.results'))")
        assert room == 0, address
        assert page.locator("#nav-sidebar").is_visible()


def test_the_history_button_stands_clear_of_the_card(page: Any, row: Callable[..., Registration]) -> None:
    one = row(at_elevate="present")
    for width in (390, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"/admin/elevate_integration/registration/{one.pk}/change/")
        assert page.locator("a.historylink").count() == 1
        button = page.locator("a.historylink").bounding_box()
        assert button["y"] + button["height"] <= page.locator(".elevate-card").bounding_box()["y"]


SHEET = "/admin/elevate_integration/productmapping/sheet/"


def test_the_set_up_sheet_copies_and_remembers_its_ticks(page: Any, mapping: ProductMapping) -> None:
    mapping.remote_registration_url = "https://shop.example/art"
    mapping.save()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(SHEET)
    page.keyboard.press("Tab")
    page.focus("button[data-elevate-copy='ABCD1234']")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('[data-elevate-copied]').textContent === 'Copied: ABCD1234'"
    )
    assert page.evaluate("navigator.clipboard.readText()") == "ABCD1234"
    page.focus("[data-elevate-tick]")
    page.keyboard.press("Space")
    page.reload()
    assert page.is_checked("[data-elevate-tick]")
    mapping.remote_product_id = "ANOTHER"
    mapping.save()
    page.reload()
    assert not page.is_checked("[data-elevate-tick]")


def test_the_set_up_sheet_on_paper_is_the_table_alone(page: Any, mapping: ProductMapping) -> None:
    page.set_viewport_size({"width": 794, "height": 1123})
    page.goto(SHEET)
    page.emulate_media(media="print")
    for gone in (
        "#header",
        ".breadcrumbs",
        "#nav-sidebar",
        "button[data-elevate-copy]",
        "[data-elevate-print]",
    ):
        assert not page.locator(gone).first.is_visible(), gone
    assert page.locator("[data-elevate-tick]").is_visible()
    assert page.locator("table.elevate-table").bounding_box()["width"] > 700


def test_the_set_up_sheet_is_text_without_scripts(page: Any, mapping: ProductMapping) -> None:
    context = page.context.browser.new_context(
        java_script_enabled=False,
        storage_state=page.context.storage_state(),
        viewport={"width": 390, "height": 844},
    )
    plain = context.new_page()
    plain.goto(page.url.partition("/admin/")[0] + SHEET)
    assert "ABCD1234" in plain.inner_text("td code >> nth=0")
    assert not plain.locator("button[data-elevate-copy]").first.is_visible()
    context.close()


def test_the_lists_buttons_stand_clear_of_the_note_above(page: Any, mapping: ProductMapping) -> None:
    UnmappedSale.objects.create(order_ref="1", seat_key="1", product_keys="\nart\n")
    for width in (390, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/admin/elevate_integration/productmapping/")
        note, tools = (
            page.locator("p.elevate-note").bounding_box(),
            page.locator(".object-tools").bounding_box(),
        )
        # Django 6.1 puts the buttons beside the title, and the note comes below both.
        above, below = sorted((note, tools), key=lambda box: box["y"])
        assert above["y"] + above["height"] <= below["y"]
        assert below["y"] + below["height"] <= page.locator("#changelist").bounding_box()["y"]


def test_the_picker_follows_the_id_into_the_landing_address(page: Any) -> None:
    answer = {
        "products": [
            {"key": "k", "title": "K", "remote_product_id": "K1", "url": "https://s.example/k", "note": ""}
        ],
        "landing": "https://s.example/elevate/register/ID/",
        "landing_id": "ID",
    }
    page.route("**/productmapping/products/*", lambda route: route.fulfill(json=answer))
    page.goto("/admin/elevate_integration/productmapping/add/")
    page.fill("#id_product_key", "k")
    page.wait_for_function("document.querySelector('#id_remote_product_id').value === 'K1'")
    assert page.input_value("#id_remote_registration_url") == "https://s.example/elevate/register/K1/"
    page.fill("#id_remote_product_id", "K 2")
    assert page.input_value("#id_remote_registration_url") == "https://s.example/elevate/register/K%202/"
    page.fill("#id_remote_registration_url", "https://my.example/")
    page.fill("#id_remote_product_id", "K3")
    assert page.input_value("#id_remote_registration_url") == "https://my.example/"


def test_a_mistake_in_a_file_is_read_without_a_pointer(page: Any) -> None:
    pytest.importorskip("import_export")
    page.goto("/admin/elevate_integration/productmapping/import/")
    body = b"product_key,remote_product_id\ncourse:ART,\n"
    page.set_input_files(
        "input[type=file]", files=[{"name": "m.csv", "mimeType": "text/csv", "buffer": body}]
    )
    page.select_option("select[name=format]", label="csv")
    page.click("input[type=submit].default")
    mistake = page.locator(".validation-error-container")
    assert "Type the Remote Product ID" in mistake.inner_text()
    assert mistake.evaluate("e => getComputedStyle(e).opacity + getComputedStyle(e).position") == "1static"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
