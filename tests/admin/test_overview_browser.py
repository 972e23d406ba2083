"""The overview in a real browser: its width, its chart, by keyboard alone, in the dark, right to left, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from elevate_integration.models import DeliveryState, Registration, UnmappedSale
from tests.admin import test_browser

page = test_browser.page
pytestmark = test_browser.pytestmark

PAGE = "/admin/elevate_integration/"
# Colour against the nearest background that is not transparent, as WCAG 2 counts it; texts of the page, not of Django.
CONTRASTS = """
() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const colour = rgba(getComputedStyle(node).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const node of document.querySelectorAll('.elevate-columns *')) {
        const text = [...node.childNodes].filter((c) => c.nodeType === 3).map((c) => c.data.trim()).join('');
        if (!text || node.matches('script, .visually-hidden') || !node.getClientRects().length) continue;
        const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return poor;
}
"""


@pytest.fixture
def busy(row: Callable[..., Registration]) -> None:
    """Everything that the page can show at once, with long words."""
    said = [["product", "The requested product could not be found: " + "x" * 120]]
    for _ in range(3):
        row(obstacle="refused", error_messages=said, product_title="Professional Responsibility " * 4)
    row(obstacle="incomplete", problems="no_email")
    row(at_elevate="maybe", obstacle="doubt")
    row(at_elevate="present", wanted=False, obstacle="parked")
    row(at_elevate="present")
    row(due_at=timezone.now() - timedelta(hours=3))
    UnmappedSale.objects.create(order_ref="1", seat_key="1", product_keys="\nart\n")
    DeliveryState.objects.create(
        pk=1,
        heartbeat_at=timezone.now(),
        gate="key",
        alarm="More cancels than usual.",
        alarm_at=timezone.now(),
    )


@pytest.mark.parametrize("width", [390, 768, 1200])
@pytest.mark.parametrize("language", ["en-us", "he"])
def test_the_overview_fits_and_follows_the_direction_of_the_language(
    page: Any, busy: None, settings: Any, width: int, language: str
) -> None:
    settings.LANGUAGE_CODE = language
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(PAGE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.documentElement.dir") == ("rtl" if language == "he" else "ltr")
    if width == 1200:
        trouble, numbers = (page.locator(name).bounding_box() for name in (".elevate-main", ".elevate-side"))
        assert (trouble["x"] > numbers["x"]) is (language == "he")


def test_the_chart_is_drawn_and_says_where_its_numbers_are_written(page: Any, busy: None) -> None:
    page.goto(PAGE)
    canvas = page.locator(".elevate-chart canvas")
    assert canvas.is_visible()
    assert "table" in canvas.get_attribute("aria-label")
    painted = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v)"
    assert canvas.evaluate(painted)
    page.click(".elevate-side summary")
    assert page.locator(".elevate-side details td").first.is_visible()


def test_the_chart_follows_the_theme_that_is_chosen_while_the_page_is_open(page: Any, busy: None) -> None:
    page.goto(PAGE)
    image = "document.querySelector('.elevate-chart canvas').toDataURL()"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.evaluate("new Promise(requestAnimationFrame)")
    before = page.evaluate(image)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(f"before => {image} !== before", arg=before)


def test_without_scripts_the_numbers_are_in_a_table(page: Any, busy: None) -> None:
    state = page.context.storage_state()
    context = page.context.browser.new_context(
        java_script_enabled=False, storage_state=state, base_url=page.url.split("/admin")[0]
    )
    tab = context.new_page()
    tab.goto(PAGE)
    assert tab.locator(".elevate-chart").is_hidden()
    tab.click(".elevate-side summary")
    assert tab.locator(".elevate-side details td").first.inner_text() == "2"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(page: Any, busy: None, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(PAGE)
    page.click(".elevate-side summary")
    # Django's links change colour slowly.
    page.add_style_tag(content="* { transition: none !important; }")
    page.mouse.move(0, 0)
    assert page.evaluate(CONTRASTS) == []


def test_a_retry_is_asked_for_and_confirmed_by_keyboard_alone(page: Any, busy: None) -> None:
    page.goto(PAGE)
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText || document.activeElement.value || ''"))
        if seen[-1].startswith("Retry (3)"):
            break
    else:
        pytest.fail(f"Retry is not reached by the Tab key: {seen}")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
    assert outline != "none" or shadow != "none"
    page.keyboard.press("Enter")
    page.wait_for_selector("input[name=confirm]", state="attached")
    assert "3 registrations were chosen." in page.inner_text("#content-main")
    page.locator(".submit-row input[type=submit]").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist .success")
    assert Registration.objects.filter(status="refused").count() == 0


def test_the_switch_works_from_the_overview_by_keyboard_and_leads_back(page: Any, busy: None) -> None:
    page.goto(PAGE)
    page.get_by_role("button", name="Pause delivery").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist .success")
    assert page.url.endswith(PAGE)
    assert "Paused delivery." in page.inner_text(".elevate-history")
    page.get_by_role("button", name="Resume").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("button:has-text('Pause delivery')")
    assert not DeliveryState.objects.get().paused
