"""Both ways in, in a real browser: from Elevate's catalogue page and from the store, to the course and back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import connections

from elevate_integration.models import ProductMapping
from elevate_integration.testing import FakeElevate
from example_project.store.catalogue import elevate_products, load_demo
from example_project.store.models import Order, OrderLine

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
LANDING = "/elevate/register/RB101/"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture
def site(live_server: Any, transactional_db: None, elevate: FakeElevate, settings: Any) -> FakeElevate:
    """The store with its demonstration data on a real port, and a fake Elevate whose buttons lead to it."""
    settings.SITE_URL = live_server.url
    load_demo()
    urls = dict(ProductMapping.objects.values_list("remote_product_id", "remote_registration_url"))
    for remote_id, title in elevate_products().items():
        elevate.add_product(remote_id, title, urls[remote_id])
    return elevate


@pytest.fixture
def opened(
    site: FakeElevate, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Open a browser tab; a script error or a page wider than the screen fails the test."""
    # Playwright keeps an event loop in this thread; the tests' own queries are synchronous all the same.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    errors: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        def open_tab(width: int = 1200, **options: Any) -> Any:
            context = browser.new_context(
                viewport={"width": width, "height": 850}, base_url=live_server.url, **options
            )
            tab = context.new_page()
            tab.on("pageerror", lambda error: errors.append(str(error)))
            return tab

        yield open_tab
        # Inside the event loop the test had connections of its own, which nobody else closes.
        connections.close_all()
        browser.close()
    assert errors == []


def log_in(tab: Any) -> None:
    tab.fill("[name=username]", "grace@example.org")
    tab.fill("[name=password]", "demo")
    tab.click("main button")


def fits(tab: Any) -> bool:
    return bool(tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_from_elevate_through_log_in_cart_and_payment_back_to_the_course(
    opened: Callable[..., Any], site: FakeElevate, deliver: Callable[[], int], width: int, scheme: str
) -> None:
    tab = opened(width, color_scheme=scheme)
    tab.goto(f"{site.url}/")
    tab.click("text=Boundary Retracement")
    tab.click("a.button:has-text('Register')")
    tab.wait_for_url("**/login/**")
    assert fits(tab)
    log_in(tab)
    tab.wait_for_url("**/cart/")
    assert "Boundary Retracement" in tab.inner_text("main")
    assert fits(tab)
    tab.click("text=Check out")
    tab.click("main button:has-text('Pay')")
    tab.wait_for_url("**/orders/*/")
    assert "opens here in a few seconds" in tab.inner_text(".elevate-way-back")
    assert "is being set up" in tab.inner_text(".elevate-wait >> nth=1")
    assert fits(tab)
    assert deliver() == 1
    tab.wait_for_selector(".elevate-course.elevate-ready >> text=Open the course")
    tab.wait_for_selector(".elevate-way-back >> text=Back to Boundary Retracement")
    assert fits(tab)
    tab.click(".elevate-way-back >> text=Back to Boundary Retracement")
    assert tab.url == f"{site.url}/products/RB101?force_login=1"
    # The button at Elevate now leads back to the course, and sells nothing twice.
    tab.click("a.button:has-text('Register')")
    tab.wait_for_url(f"{site.url}/products/RB101?force_login=1")
    assert OrderLine.objects.count() == 1


def test_from_the_store_to_my_courses(
    opened: Callable[..., Any], site: FakeElevate, deliver: Callable[[], int]
) -> None:
    tab = opened(390)
    tab.goto("/login/?next=/products/boundary-law-certificate/")
    log_in(tab)
    tab.click("text=Add to cart")
    tab.click("text=Check out")
    tab.click("main button:has-text('Pay')")
    tab.wait_for_url("**/orders/*/")
    assert tab.locator(".elevate-way-back").count() == 0
    tab.click(".elevate-later >> text=My courses")
    assert "appear here" in tab.inner_text("main")
    assert deliver() == 2
    tab.reload()
    assert tab.locator(".elevate-ready >> text=Open the course").count() == 2
    assert fits(tab)
    tab.click(".elevate-course:has-text('Riparian') >> text=Open the course")
    assert tab.url == f"{site.url}/products/RB140?force_login=1"


def test_a_refused_registration_is_told_honestly_and_the_page_stops_asking(
    opened: Callable[..., Any], site: FakeElevate, deliver: Callable[[], int]
) -> None:
    tab = opened()
    tab.goto("/login/?next=/products/monument-preservation/")
    log_in(tab)
    tab.click("text=Add to cart")
    tab.click("text=Check out")
    tab.click("main button:has-text('Pay')")
    tab.wait_for_url("**/orders/*/")
    deliver()
    tab.wait_for_selector(".elevate-attention >> text=We are on it")
    assert tab.locator(".elevate-later").count() == 0


def test_without_scripts_a_button_leads_on_and_a_sentence_to_my_courses(
    opened: Callable[..., Any], site: FakeElevate, deliver: Callable[[], int]
) -> None:
    tab = opened(java_script_enabled=False)
    tab.goto(f"{site.url}/")
    tab.click("li:has-text('Boundary Retracement') >> text=Register")
    tab.click("text=Put it in the cart")
    log_in(tab)
    tab.click("text=Put it in the cart")
    tab.click("text=Check out")
    tab.click("main button:has-text('Pay')")
    assert deliver() == 1
    tab.click(".elevate-later >> text=My courses")
    assert tab.locator("text=Open the course").count() == 1


def test_back_leads_back(opened: Callable[..., Any], site: FakeElevate) -> None:
    tab = opened()
    tab.goto("/login/")
    log_in(tab)
    tab.goto(f"{site.url}/products/RB101")
    tab.click("a.button:has-text('Register')")
    tab.wait_for_url("**/cart/")
    tab.click("text=Change")
    tab.wait_for_load_state()
    for _ in range(4):
        if tab.url.startswith(site.url):
            break
        tab.go_back()
    assert tab.url == f"{site.url}/products/RB101"


@pytest.fixture
def asked() -> Iterator[Callable[[str, str], threading.Event]]:
    """Tell when the landing address is asked for: `asked(method, purpose)` gives an event."""
    seen: dict[tuple[str, str], threading.Event] = {}

    def hear(environ: dict[str, Any], **_: Any) -> None:
        if environ["PATH_INFO"] == LANDING:
            key = environ["REQUEST_METHOD"], environ.get("HTTP_SEC_PURPOSE", "")
            seen.setdefault(key, threading.Event()).set()

    def event(method: str, purpose: str) -> threading.Event:
        return seen.setdefault((method, purpose), threading.Event())

    request_started.connect(hear)
    yield event
    request_started.disconnect(hear)


@pytest.mark.parametrize(("rule", "purpose"), [("prefetch", "prefetch"), ("prerender", "prefetch;prerender")])
def test_a_browser_that_looks_ahead_fills_no_cart(
    opened: Callable[..., Any], asked: Callable[[str, str], threading.Event], rule: str, purpose: str
) -> None:
    tab = opened()
    tab.goto("/login/")
    log_in(tab)
    tab.wait_for_url("**/courses/")
    tab.evaluate(
        """([rule, url]) => {
            const script = document.createElement("script");
            script.type = "speculationrules";
            script.text = JSON.stringify({[rule]: [{source: "list", urls: [url], eagerness: "immediate"}]});
            document.head.append(script);
            const link = document.createElement("a");
            link.href = url; link.textContent = "There"; document.querySelector("main").append(link);
        }""",
        [rule, LANDING],
    )
    assert asked("GET", purpose).wait(20), "the browser looked ahead"
    # Long enough for a script that ran to have pressed the button.
    tab.wait_for_timeout(700)
    assert not asked("POST", "").is_set()
    assert not Order.objects.exists()
    tab.click("text=There")
    tab.wait_for_url("**/cart/")
    assert OrderLine.objects.get().sku == "RB-BND-101"


def test_a_tab_in_the_background_waits_until_it_is_looked_at(opened: Callable[..., Any]) -> None:
    tab = opened()
    tab.goto("/login/")
    log_in(tab)
    tab.wait_for_url("**/courses/")
    tab.add_init_script(
        "Object.defineProperty(document, 'visibilityState', {get: () => window.seen ? 'visible' : 'hidden'})"
    )
    tab.goto(LANDING)
    assert not Order.objects.exists()
    tab.evaluate("() => { window.seen = true; document.dispatchEvent(new Event('visibilitychange')); }")
    tab.wait_for_url("**/cart/")
    assert OrderLine.objects.count() == 1


def test_a_page_whose_questions_fail_stops_asking_and_says_where_the_course_will_be(
    opened: Callable[..., Any], settings: Any
) -> None:
    tab = opened()
    tab.goto("/login/?next=/products/ethics/")
    log_in(tab)
    tab.click("text=Add to cart")
    questions: list[str] = []
    tab.route(
        "**/courses/state/", lambda route: (questions.append(route.request.method), route.fulfill(status=503))
    )
    tab.goto("/checkout/")
    tab.click("main button:has-text('Place the order')")
    tab.wait_for_selector(".elevate-late:visible")
    assert "My courses" in tab.inner_text(".elevate-later")
    assert questions == ["GET"]
