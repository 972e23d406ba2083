"""What was stored by Elevate, the store or a buyer is text on every page: never markup, never a script's address."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.template import engines
from django.test import Client, RequestFactory
from django.utils import timezone

from elevate_integration.admin.acts import ACTS
from elevate_integration.models import Attempt, Registration
from elevate_integration.reconciled import ReconciledDay
from tests.security.every_url import URLCONF, places
from tests.security.people import address, furnish, log_in

# Short enough for every column.
EVIL = "'\"><svg onload=1>"
SCRIPT = f"javascript:alert(1)//{EVIL}"
_OUT = re.compile(
    r"<svg onload|(?:href|src|action)\s*=\s*[\"']?\s*(?:javascript|data|vbscript):", re.IGNORECASE
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def host(settings: Any) -> None:
    """The plain shop is the host; nothing is sent."""
    settings.ROOT_URLCONF = URLCONF
    settings.ELEVATE = {
        **settings.ELEVATE,
        "URL": "https://elevate.example",
        "ORDER_SOURCE": "tests.plainshop.source.PlainSource",
    }


@pytest.fixture
def values() -> dict[str, Any]:
    """One row of everything, evil in every column that holds text from outside."""
    found = furnish()
    row = Registration.objects.get()
    Attempt.objects.create(
        registration=row,
        operation="register",
        outcome="refused",
        finished_at=timezone.now(),
        messages=[],
        sent={},
    )
    for model in apps.get_app_config("elevate_integration").get_models():
        texts = {field.name: _evil(field) for field in model._meta.concrete_fields if _is_text(field)}
        if texts:
            model._default_manager.update(**texts)
    return found


def _is_text(field: Any) -> bool:
    if isinstance(field, models.JSONField):
        return True
    chosen = field.choices or field.name in _WORDS
    # A day of another site is not shown at all.
    hides = field.model is ReconciledDay and field.name == "site"
    return isinstance(field, models.CharField | models.TextField) and not chosen and not hides


# Columns whose words are ours: they choose what is shown and are never shown themselves.
_WORDS = {
    "status",
    "at_elevate",
    "obstacle",
    "operation",
    "outcome",
    "gate",
    "kind",
    "state",
    "url_problem",
    "problems",
}


def _evil(field: Any) -> Any:
    if isinstance(field, models.JSONField):
        pairs = field.name in ("error_messages", "messages")
        return [[EVIL, EVIL]] if pairs else {EVIL: EVIL, "explanation": EVIL}
    if field.name == "product_keys":
        return f"\n{EVIL}\n"
    return SCRIPT if "url" in field.name or field.name == "site" else EVIL[: field.max_length]


def found_out(response: Any) -> list[str]:
    """Give what got out of the text of an answer that a browser would show as a page."""
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return []
    return _OUT.findall(response.content.decode())


def test_the_search_finds_what_gets_out() -> None:
    assert _OUT.findall(f"<p>{EVIL}</p><a href='{SCRIPT}'>")
    assert not _OUT.findall("&lt;svg onload=1&gt; javascript:alert(1)")


@pytest.mark.parametrize(
    "query", ["", f"?q={EVIL}&order={EVIL}&mapping={EVIL}&day={EVIL}&product_key={EVIL}&e={EVIL}"]
)
def test_no_page_shows_stored_or_typed_text_as_markup(values: dict[str, Any], query: str) -> None:
    client = log_in("boss")
    shown = 0
    for place in places():
        response = client.get(address(place, values) + query)
        assert response.status_code != 500, place.name
        assert not found_out(response), place.name
        shown += response.status_code == 200
    assert shown > 20


def test_no_page_that_asks_before_an_act_shows_text_as_markup(values: dict[str, Any]) -> None:
    client = log_in("boss")
    pk = values["pk"]
    for name in ACTS:
        response = client.post(f"/admin/elevate_integration/registration/act/{name}/", {"pks": pk})
        assert not found_out(response), name
        done = client.post(
            f"/admin/elevate_integration/registration/act/{name}/",
            {"pks": pk, "confirm": "yes", "registration_id": EVIL, "explanation": EVIL},
            follow=True,
        )
        assert not found_out(done), name


def test_the_history_of_a_row_shows_text_as_text(values: dict[str, Any]) -> None:
    from django.contrib.admin.models import CHANGE, LogEntry

    client = log_in("boss")
    LogEntry.objects.create(
        user=get_user_model().objects.get(email="boss@example.org"),
        content_type=ContentType.objects.get_for_model(Registration),
        object_id=str(values["pk"]),
        object_repr=EVIL,
        action_flag=CHANGE,
        change_message=EVIL,
    )
    for page in ("change", "history"):
        response = client.get(f"/admin/elevate_integration/registration/{values['pk']}/{page}/")
        assert "svg onload" in response.content.decode()
        assert not found_out(response)


def test_no_tag_shows_text_as_markup(values: dict[str, Any], rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = get_user_model().objects.create_superuser("boss@example.org", "secret")
    row = Registration.objects.get()
    request.session = Client().session
    template = engines["django"].from_string(
        "{% load elevate elevate_admin %}{% elevate_courses user %}{% elevate_link ref %}{% elevate_way_back request %}"
        "{% elevate_box ref %}{% elevate_member_box user %}{{ EVIL }}"
    )
    html = template.render({"user": request.user, "ref": row.order_ref, "EVIL": EVIL}, request)
    assert "svg onload" in html
    assert not _OUT.findall(html)


def test_programs_are_answered_with_json_that_no_browser_takes_for_a_page(values: dict[str, Any]) -> None:
    client = log_in("boss")
    seen = 0
    for place in places():
        if not place.name.startswith("elevate_integration_api:"):
            continue
        response = client.get(address(place, values), headers={"accept": "text/html,*/*;q=0.1"})
        kind = response.headers["Content-Type"].partition(";")[0]
        assert kind.endswith("json") or "openapi" in kind, place.name
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        seen += EVIL.split("<")[1] in response.content.decode()
    assert seen
