"""The API key is in the body of a call and nowhere else: not in what is stored, shown, exported, mailed or reported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

from elevate_integration import staff
from elevate_integration.conf import conf
from elevate_integration.delivery import sender
from elevate_integration.delivery.clients import Clients
from elevate_integration.models import Attempt, Registration
from tests.security.every_url import URLCONF, places
from tests.security.people import address, everything_stored, furnish, log_in

KEYS = {"API_KEY": "test-key", "REPORT_KEY": "the-other-key", "MONITOR_TOKEN": "the-token"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refused(settings: Any, sell: Callable[..., Any], deliver: Callable[[], int], elevate: Any) -> None:
    """Elevate repeated the key in everything that it said."""
    settings.ROOT_URLCONF = URLCONF
    settings.ELEVATE = {**settings.ELEVATE, **KEYS}
    answers: list[dict[str, Any]] = [
        {"status": 422, "body": '{"error_messages": {"x": "test-key"}, "y": "test-key"}'},
        {"status": 200, "body": '{"registration_id": "test-key"}'},
        {"status": 200, "body": '{"registration_id": 5, "product_url": "https://x/?k=test-key"}'},
        {"status": 302, "headers": {"Location": "https://x/?k=test-key"}, "body": "test-key"},
    ]
    for number, answer in enumerate(answers):
        elevate.fail("status", **answer)
        sell("ETHICS", person_id=f"M-{number}", email=f"m{number}@example.org")
        deliver()
    assert Attempt.objects.count() >= 4


def silent(text: str) -> bool:
    return not any(key in text for key in KEYS.values())


def test_nothing_that_is_stored_holds_the_key(refused: None) -> None:
    assert silent(repr(everything_stored()))


def test_no_page_and_no_answer_of_the_api_shows_the_key(refused: None) -> None:
    client = log_in("boss")
    values = furnish_beside()
    for place in places():
        assert silent(client.get(address(place, values)).content.decode()), place.name
    for row in Registration.objects.all():
        for page in (
            f"/admin/elevate_integration/registration/{row.pk}/change/",
            f"/api/v1/registrations/{row.pk}/",
        ):
            assert silent(client.get(page).content.decode())


def furnish_beside() -> dict[str, Any]:
    """Use the rows that there are."""
    from elevate_integration.models import ProductMapping

    ProductMapping.objects.filter(product_key="course:ETHICS").update(product_key="course:OTHER")
    return furnish()


def test_no_export_and_no_mail_holds_the_key(refused: None, settings: Any) -> None:
    Registration.objects.update(wanted=True, at_elevate="absent")
    exported = staff.export(Registration.objects.all())
    assert exported.done
    assert silent(exported.content.decode())
    settings.ELEVATE = {**settings.ELEVATE, "DIGEST_RECIPIENTS": ["office@example.org"]}
    call_command("elevate_digest", stdout=StringIO())
    assert mail.outbox
    assert silent("".join(str(sent.message()) for sent in mail.outbox))


@pytest.mark.parametrize("options", [[], ["--json"], ["--key"]])
def test_the_doctor_does_not_tell_the_key(refused: None, options: list[str]) -> None:
    out = StringIO()
    try:
        call_command("elevate_doctor", *options, stdout=out, stderr=out)
    except CommandError as error:
        out.write(str(error))
    assert "API key" in out.getvalue()
    assert silent(out.getvalue())


def test_the_debug_page_and_the_mail_to_admins_show_no_key(
    refused: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    claimed = Registration.objects.first()
    request = sender.register_request(claimed, conf())
    client = Clients().now()
    monkeypatch.setattr(type(client), "_line", lambda self: 1 / 0)
    try:
        client.register(request)
    except ZeroDivisionError:
        reporter = ExceptionReporter(RequestFactory().get("/"), *sys.exc_info())
    page, text = reporter.get_traceback_html(), reporter.get_traceback_text()
    assert "ORDER_SOURCE" in page
    assert "_prepare" in page or "_exchange" in page
    for shown in (page, text):
        assert silent(shown)
        assert claimed.email not in shown
    assert django_settings.ELEVATE["API_KEY"] == KEYS["API_KEY"]
