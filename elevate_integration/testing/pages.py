"""What the fake answers besides the API: catalogue and product pages, and `/_fake/` for whoever tests with it."""

from __future__ import annotations

import json
from datetime import datetime
from html import escape
from typing import Any

from elevate_integration.testing import rules
from elevate_integration.testing.answers import HTML, Answer
from elevate_integration.testing.reports import REPORT_PATH, RESOURCE
from elevate_integration.testing.site import FakeSite

CONTROL_PREFIX = "/_fake/"
PRODUCT_PREFIX = "/products/"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1.05rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; }}
li {{ margin: 0.75rem 0; }}
a.button {{ background: #14532d; color: #fff; padding: 0.3rem 0.9rem; border-radius: 0.3rem; text-decoration: none; }}
footer {{ margin-top: 3rem; font-size: 0.9rem; color: #4b5563; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
<footer>This is a fake Elevate for tests and demonstrations.</footer>
</body>
</html>
"""


def answer(site: FakeSite, method: str, path: str, body: bytes) -> Answer:
    """The answer to everything that is not a POST to the API."""
    if path.startswith(CONTROL_PREFIX):
        return _control(site, method, path.removeprefix(CONTROL_PREFIX), body)
    if method != "GET" or path in {rules.REGISTER_PATH, rules.CANCEL_PATH}:
        return _page(
            "Method not allowed", "<p>Only POST is allowed here.</p>", status=405, headers={"Allow": "POST"}
        )
    if path == REPORT_PATH + "/":
        return Answer(301, headers={"Location": REPORT_PATH})
    if path == REPORT_PATH:
        return _report_fields(site)
    if path == "/":
        return _catalogue(site)
    if path.startswith(PRODUCT_PREFIX):
        return _product(site, path.removeprefix(PRODUCT_PREFIX))
    return _page("Not found", "<p>There is no such page.</p>", status=404)


def _catalogue(site: FakeSite) -> Answer:
    items = [
        f'<li><a href="{escape(site.product_url(product_id))}">{escape(title)}</a> {_register_button(site, product_id)}</li>'
        for product_id, title in list(site.products.items())
    ]
    return _page("Catalogue", "<ul>\n" + "\n".join(items) + "\n</ul>")


def _report_fields(site: FakeSite) -> Answer:
    """The page on which a site lists the fields of its reports."""
    items = "\n".join(f"<li><code>{escape(name)}</code></li>" for name in site.reports.fields)
    return _page("Reports", f"<h2>{RESOURCE}</h2>\n<ul>\n{items}\n</ul>")


def _product(site: FakeSite, slug: str) -> Answer:
    product_id = site.product_of_slug(slug)
    if product_id is None:
        return _page("Not found", "<p>There is no such product.</p>", status=404)
    content = f"<p>Remote Product ID: <code>{escape(product_id)}</code></p>\n<p>{_register_button(site, product_id)}</p>"
    return _page(site.products[product_id], content)


def _register_button(site: FakeSite, product_id: str) -> str:
    url = site.registration_urls.get(product_id)
    return f'<a class="button" href="{escape(url)}">Register</a>' if url else ""


def _page(title: str, content: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, _PAGE.format(title=escape(title), content=content), HTML, headers or {})


def _control(site: FakeSite, method: str, name: str, body: bytes) -> Answer:
    match method, name:
        case "GET", "registrations":
            return Answer(data={"registrations": [held.as_json() for held in site.registrations]})
        case "POST", "registrations":
            return _add_registration(site, body)
        case "GET", "calls":
            return Answer(data={"calls": [{"path": path, "fields": fields} for path, fields in site.calls]})
        case "GET", "faults":
            return _faults(site)
        case "POST", "faults":
            return _add_fault(site, body)
        case "DELETE", "faults":
            site.clear_faults()
            return _faults(site)
    return Answer(
        404, {"error": "Known: GET or POST registrations, GET calls, and GET, POST or DELETE faults."}
    )


def _add_registration(site: FakeSite, body: bytes) -> Answer:
    try:
        options: dict[str, Any] = json.loads(body)
        if "at" in options:
            options["at"] = datetime.fromisoformat(options["at"])
        held = site.add_registration(**options)
    except (ValueError, TypeError, RecursionError) as error:
        return Answer(400, {"error": f"Not a registration: {error}"})
    return Answer(data=held.as_json())


def _add_fault(site: FakeSite, body: bytes) -> Answer:
    try:
        options: dict[str, Any] = json.loads(body)
        site.fail(
            str(options.pop("fault", "")), options.pop("times", 1), options.pop("path", None), **options
        )
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return Answer(400, {"error": f"Not a fault: {error}"})
    return _faults(site)


def _faults(site: FakeSite) -> Answer:
    return Answer(data={"faults": [fault.as_json() for fault in site.faults.waiting()]})
