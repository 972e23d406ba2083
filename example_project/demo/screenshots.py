"""`python -m example_project.demo.screenshots`: takes the pictures of the documentation from invented data.

Fills a database of its own in a temporary folder through the store and a fake Elevate, opens the pages in Chromium
(needs Playwright and Pillow, both in the extra `dev`), and writes `docs/images/*.png`. The argument is another folder.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
HOST = "members.example.org"
# The height is the least one; a page is taken to its end, and of the long list the first rows.
WIDTH, HEIGHT = 1200, 600
HIGHEST = {"registrations": 1500}
FLAGS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]


def main(folder: Path) -> None:
    """Take all pictures."""
    with TemporaryDirectory(prefix="elevate-pictures-") as scratch:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="example_project.settings",
            DATABASE_URL=f"sqlite:///{scratch}/pictures.sqlite3",
            ELEVATE_DISPATCHER="worker",
            SITE_URL=f"http://{HOST}",
            ALLOWED_HOSTS=HOST,
            LOG_LEVEL="CRITICAL",
        )
        # Playwright keeps an event loop in this thread; our own queries are synchronous all the same.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        import django

        django.setup()
        from example_project.demo.pictured import fill

        with fill() as shown, _serving() as port:
            _photograph(port, folder, shown)


@contextmanager
def _serving() -> Iterator[int]:
    """Serve the example project with its static files, and give the port."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _photograph(port: int, folder: Path, shown: dict[str, Any]) -> None:
    from playwright.sync_api import sync_playwright

    from example_project.store.catalogue import PASSWORD, STAFF_EMAIL

    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        # So that the pages are at the address that the data name.
        there = f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{port}"
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, there])
        for email, take in ((STAFF_EMAIL, _of_the_office), (shown["member"], _of_a_member)):
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT}, base_url=f"http://{HOST}", color_scheme="light"
            )
            page = context.new_page()
            page.goto("/login/")
            page.fill("input[name=username]", email)
            page.fill("input[name=password]", PASSWORD)
            page.press("input[name=password]", "Enter")
            page.wait_for_load_state()
            take(page, shown, lambda name, page=page: _save(page, folder / f"{name}.png"))
            context.close()
        browser.close()


def _of_the_office(page: Any, shown: dict[str, Any], take: Any) -> None:
    base = "/admin/elevate_integration"
    page.goto(f"{base}/")
    # The navigation takes a quarter of the picture and is the same on each.
    page.evaluate("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
    for name, address in (
        ("overview", "/"),
        ("mappings", "/productmapping/"),
        ("mapping", f"/productmapping/{shown['mapping']}/change/"),
        ("set-up-sheet", "/productmapping/sheet/"),
        ("registrations", "/registration/"),
        ("registration", f"/registration/{shown['registration']}/change/"),
        ("duplicates", "/registration/duplicates/"),
        ("unmapped-sales", "/unmappedsale/"),
        ("delivery", "/deliverystate/"),
        ("compared-days", "/reconciledday/"),
        ("differences", "/discrepancy/?decision=all"),
        ("difference", f"/discrepancy/{shown['difference']}/change/"),
    ):
        page.goto(f"{base}{address}")
        # The chart is drawn with a movement.
        page.wait_for_timeout(600)
        take(name)
    page.goto(f"{base}/registration/{shown['registered']}/change/")
    page.click(".elevate-acts button.elevate-strong")
    page.wait_for_selector("input[name=confirm]", state="attached")
    take("cancel")
    page.goto(f"/admin/store/order/{shown['order']}/change/")
    take("order-box")


def _of_a_member(page: Any, shown: dict[str, Any], take: Any) -> None:
    page.goto("/elevate/courses/")
    take("my-courses")


def _save(page: Any, path: Path) -> None:
    """Write the page from its top to the end of what is on it, in as many colours as it needs to look right."""
    from PIL import Image

    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, HIGHEST.get(path.stem, picture.height))))
    # Text on flat colours: an eighth of the bytes, and no difference to the eye.
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    sys.stdout.write(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
