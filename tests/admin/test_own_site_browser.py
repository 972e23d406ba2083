"""Every page on a host's own admin site in a real browser: on a phone, in the dark, right to left, by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.urls import include, path
from django.utils import timezone

from elevate_integration.admin import register
from elevate_integration.admin.acts import ACTS
from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import (
    Attempt,
    DeliveryState,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
)
from tests.admin import test_browser
from tests.admin.test_overview_browser import CONTRASTS
from tests.admin.test_registrations import FITTING

page = test_browser.page
pytestmark = [*test_browser.pytestmark, pytest.mark.urls("tests.admin.test_own_site_browser")]

office = admin.AdminSite(name="office")
register(office)
urlpatterns = [path("back/office/", office.urls), path("", include("example_project.urls"))]

BASE = "/back/office/elevate_integration/"
FITS = "document.documentElement.scrollWidth <= window.innerWidth"
LABEL = """
() => {
    const e = document.activeElement;
    return (e.innerText || e.value || e.getAttribute('aria-label') || '').trim().toLowerCase();
}
"""
SEEN = """
() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== 'none' || style.boxShadow !== 'none' || style.backgroundColor;
}
"""
# Our own texts; Django's are Django's.
OURS = CONTRASTS.replace(
    "'.elevate-columns *'", "'main [class*=elevate-], main [class*=elevate-] *, .elevate-columns *'"
)


@pytest.fixture
def errors(page: Any) -> list[str]:
    """What the browser complains about on its console, such as a file that is missing."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


@pytest.fixture
def filled(mapping: ProductMapping, row: Callable[..., Registration]) -> Registration:
    """Something for every page to show, with long words."""
    mapping.remote_registration_url = "https://shop.example/elevate/register/" + "A" * 60
    mapping.save()
    one = row(
        at_elevate=AtElevate.PRESENT, registration_id="501", duplicate_ids="500", product_title="Ethics " * 20
    )
    Attempt.objects.create(
        registration=one,
        finished_at=timezone.now(),
        operation="register",
        outcome="done",
        answered_id="500",
        sent={"firstname": "Ada"},
        body="x" * 300,
    )
    row(obstacle="refused", error_messages=[["product", "y" * 200]])
    UnmappedSale.objects.create(
        order_ref="1", seat_key="1", product_keys="\nart\n", product_title="Art " * 40
    )
    TrackedOrder.objects.create(order_ref="9001", failures=3, last_error="z" * 200)
    DeliveryState.objects.create(
        pk=1, heartbeat_at=timezone.now(), alarm="More cancels than usual.", alarm_at=timezone.now()
    )
    return one


PAGES = {
    "overview": "",
    "mappings": "productmapping/",
    "a mapping": "productmapping/{mapping}/change/",
    "a new mapping": "productmapping/add/?product_key=art",
    "set-up sheet": "productmapping/sheet/",
    "import": "productmapping/import/",
    "export": "productmapping/export/",
    "registrations": "registration/",
    "a registration": "registration/{row}/change/",
    "duplicates": "registration/duplicates/",
    "unmapped sales": "unmappedsale/",
    "a decision": "unmappedsale/decide/not_for_elevate/?product_key=art",
    "orders": "trackedorder/",
    "delivery": "deliverystate/",
}


def open_page(page: Any, name: str, row: Registration) -> None:
    page.goto(BASE + PAGES[name].format(mapping=row.mapping_id, row=row.pk))


def tab_to(page: Any, label: str, *, at_most: int = 90) -> None:
    """Press Tab until what begins with these words has the focus, and can be seen to have it."""
    passed = []
    for _ in range(at_most):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(LABEL))
        if passed[-1].startswith(label.lower()):
            assert page.evaluate(SEEN)
            return
    pytest.fail(f"{label} is not reached by the Tab key: {passed}")


def press(page: Any, label: str) -> None:
    """Reach a button by Tab, press Enter, and wait for the page to which it leads."""
    tab_to(page, label)
    with page.expect_navigation():
        page.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-us", "he"])
def test_every_page_fits_a_phone_in_both_directions_and_both_schemes(
    page: Any, errors: list[str], filled: Registration, settings: Any, language: str, scheme: str
) -> None:
    pytest.importorskip("import_export")
    settings.LANGUAGE_CODE = language
    page.emulate_media(color_scheme=scheme)
    for name in PAGES:
        open_page(page, name, filled)
        assert page.evaluate(FITS), name
        assert page.evaluate("document.documentElement.dir") == ("rtl" if language == "he" else "ltr")
        # Django's links and buttons change colour slowly.
        page.add_style_tag(content="* { transition: none !important; }")
        assert page.evaluate(OURS) == [], name
        assert errors == [], name


@pytest.mark.parametrize("name", FITTING)
def test_an_act_on_a_registration_is_done_by_keyboard_alone(
    page: Any, errors: list[str], row: Callable[..., Registration], name: str
) -> None:
    one, act = row(**FITTING[name]), ACTS[name]
    page.goto(f"{BASE}registration/{one.pk}/change/")
    press(page, str(act.label))
    assert page.evaluate(FITS)
    if name == "mark_registered":
        page.keyboard.press("Tab")
        page.focus("#id_registration_id")
        page.keyboard.type("77")
    if name == "export":
        tab_to(page, f"{act.label}: 1 registration")
        with page.expect_download():
            page.keyboard.press("Enter")
    else:
        press(page, f"{act.label}: 1 registration")
        assert page.url.endswith(f"{BASE}registration/{one.pk}/change/")
        assert f"{act.label}: 1 registration." in page.inner_text(".messagelist .success")
    assert errors == []


def test_duplicates_are_chosen_and_cancelled_by_keyboard_alone(
    page: Any, errors: list[str], filled: Registration
) -> None:
    open_page(page, "duplicates", filled)
    tab_to(page, f"{filled.pk}:500")
    page.keyboard.press("Space")
    press(page, "Cancel the chosen duplicates")
    assert page.evaluate(FITS)
    press(page, "Cancel 1 duplicate")
    page.wait_for_selector(".messagelist .success")
    assert Registration.objects.get(registration_id="500").status == "cancelling"
    assert errors == []


def test_orders_are_read_again_by_keyboard_alone(page: Any, errors: list[str], filled: Registration) -> None:
    open_page(page, "orders", filled)
    page.focus("select[name=action]")
    page.keyboard.press("R")
    assert page.input_value("select[name=action]") == "resync"
    page.focus("input.action-select")
    page.keyboard.press("Space")
    page.focus("button[name=index]")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.evaluate(FITS)
    press(page, "Resync 1 order")
    assert page.url.endswith(f"{BASE}trackedorder/")
    assert TrackedOrder.objects.get().last_error == ""
    assert errors == []


@pytest.mark.parametrize(
    ("name", "buttons", "said"),
    [
        ("unmapped sales", ["Not for Elevate", "Not for Elevate"], "Not for Elevate: 1 seat."),
        ("delivery", ["Pause"], "Delivery is paused."),
        ("delivery", ["Clear the alarm"], "The alarm is cleared."),
        ("mappings", ["Check addresses"], "1 address was checked"),
    ],
)
def test_other_acts_are_done_by_keyboard_alone(
    page: Any,
    errors: list[str],
    filled: Registration,
    name: str,
    buttons: list[str],
    said: str,
) -> None:
    ProductMapping.objects.update(remote_registration_url=f"{page.url.partition('/admin')[0]}/gone/")
    open_page(page, name, filled)
    for button in buttons:
        press(page, button)
    assert said in page.inner_text(".messagelist")
    assert errors == []


def test_a_mapping_is_saved_by_keyboard_alone(page: Any, errors: list[str], filled: Registration) -> None:
    open_page(page, "a new mapping", filled)
    page.focus("#id_remote_product_id")
    page.keyboard.type("ART1")
    press(page, "Save")
    page.wait_for_selector(".messagelist .success")
    assert ProductMapping.objects.get(product_key="art").remote_product_id == "ART1"
    assert errors == []
