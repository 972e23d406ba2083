"""The demo's page of the document in a real browser: it shows the endpoints, and asks no other server for anything."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from django.db import connections

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def test_the_page_shows_every_endpoint_with_files_of_its_own(
    live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Playwright keeps an event loop in this thread; the tests' own queries are synchronous all the same.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    asked, failed = set(), []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.on("request", lambda request: asked.add(request.url))
        tab.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
        tab.goto(f"{live_server.url}/api/docs/")
        tab.wait_for_selector(".opblock")
        shown = tab.locator(".opblock").count()
        connections.close_all()
        browser.close()
    assert shown == 13
    assert failed == []
    assert {url for url in asked if not url.startswith((live_server.url, "data:"))} == set()
