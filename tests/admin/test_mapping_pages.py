"""The list of mappings, the check of addresses, the set-up sheet, and what is warned about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.elevate import addresses
from elevate_integration.lifecycle import Obstacle
from elevate_integration.models import Attempt, ProductMapping, Registration, UnmappedSale
from elevate_integration.orders.source import Product
from elevate_integration.staff.warnings import mapping_warnings, odd_characters
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping, make_row

LIST = "/admin/elevate_integration/productmapping/"
LogIn = Callable[..., Client]


def text_of(response: Any) -> str:
    return str(response.content.decode())


def answering(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
    """Let addresses answer so; what is not named was not asked in time."""

    def check_many(urls: Any, **_options: Any) -> dict[str, str]:
        return {url: answers[url] for url in urls if url in answers}

    monkeypatch.setattr(addresses, "check_many", check_many)


def refuse(row: Registration) -> None:
    Attempt.objects.create(
        registration=row, operation="register", outcome="refused", finished_at=timezone.now()
    )


def test_the_list_says_what_became_of_each_mapping(boss: Client, mapping: ProductMapping) -> None:
    make_row(mapping, at_elevate="present")
    refuse(make_row(mapping, obstacle=Obstacle.REFUSED))
    make_mapping(product_key="new", remote_product_id="NEW", product_title="")
    response = boss.get(LIST)
    page = text_of(response)
    found = {m.product_key: m.became for m in response.context["cl"].result_list}
    assert (found["course:ETHICS"].registrations, found["course:ETHICS"].refused) == (2, 1)
    assert found["course:ETHICS"].last_success is not None
    assert found["course:ETHICS"].last_refusal is not None
    assert "1 refused now" in page
    assert "none yet" in page
    rows = boss.get("/admin/elevate_integration/registration/", {"mapping": mapping.pk, "status": "refused"})
    assert f"mapping={mapping.pk}&amp;status=refused" in page
    assert len(rows.context["cl"].result_list) == 1


def test_a_full_list_costs_the_same_queries_as_a_short_one(boss: Client, mapping: ProductMapping) -> None:
    boss.get(LIST)
    with CaptureQueriesContext(connection) as few:
        boss.get(LIST)
    for number in range(30):
        refuse(make_row(make_mapping(product_key=f"k{number}", remote_product_id=f"R{number}")))
    with CaptureQueriesContext(connection) as many:
        boss.get(LIST)
    assert len(many) == len(few) <= 9


def test_what_was_sold_unmapped_is_counted_above_the_list(boss: Client, staff_client: LogIn) -> None:
    assert "sold without a mapping." not in text_of(boss.get(LIST))
    UnmappedSale.objects.create(order_ref="1", seat_key="1", product_keys="\nart\n")
    assert "1 seat was sold without a mapping." in text_of(boss.get(LIST))
    assert "sold without a mapping." not in text_of(staff_client("view_productmapping").get(LIST))


def test_addresses_are_checked_by_a_button_and_shown_in_words(
    boss: Client, mapping: ProductMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, url in enumerate(("ok", "gone", "late")):
        make_mapping(
            product_key=url,
            remote_product_id=f"R{number}",
            remote_registration_url=f"https://s.example/{url}",
        )
    make_mapping(
        product_key="off",
        remote_product_id="OFF",
        active=False,
        remote_registration_url="https://s.example/ok",
    )
    page = text_of(boss.get(LIST))
    assert "not checked" in page
    assert "no address" in page
    answering(monkeypatch, {"https://s.example/ok": "", "https://s.example/gone": "status:404"})
    page = text_of(boss.post(f"{LIST}check/", follow=True))
    assert "2 addresses were checked; 1 do not answer. 1 was not reached in time" in page
    assert "answers" in page
    assert "404 not found" in page
    entry = LogEntry.objects.get()
    assert entry.change_message.startswith("2 addresses were checked")
    gone = ProductMapping.objects.get(product_key="gone")
    since = gone.url_failing_since
    boss.post(f"{LIST}check/")
    gone.refresh_from_db()
    assert gone.url_failing_since == since
    assert gone.url_checked_at > since
    assert ProductMapping.objects.get(product_key="off").url_checked_at is None
    answering(monkeypatch, {"https://s.example/gone": ""})
    boss.post(f"{LIST}check/")
    gone.refresh_from_db()
    assert (gone.url_problem, gone.url_failing_since) == ("", None)


def test_the_check_is_never_a_link_away(boss: Client) -> None:
    assert boss.get(f"{LIST}check/").status_code == 405


def test_another_address_is_another_question(boss: Client) -> None:
    mapping = make_mapping(
        remote_registration_url="https://s.example/a",
        url_checked_at=timezone.now(),
        url_problem="timeout",
        url_failing_since=timezone.now(),
    )
    data = {"product_key": mapping.product_key, "remote_product_id": "ABCD1234", "active": "on"}
    data["send_email"] = "unknown"
    boss.post(f"{LIST}{mapping.pk}/change/", {**data, "remote_registration_url": "https://s.example/a"})
    mapping.refresh_from_db()
    assert mapping.url_problem == "timeout"
    boss.post(f"{LIST}{mapping.pk}/change/", {**data, "remote_registration_url": "https://s.example/b"})
    mapping.refresh_from_db()
    assert (mapping.url_problem, mapping.url_checked_at, mapping.url_failing_since) == ("", None, None)


def test_the_command_counts_and_fails_where_an_address_fails(
    mapping: ProductMapping, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping.remote_registration_url = "https://s.example/a"
    mapping.save()
    answering(monkeypatch, {"https://s.example/a": ""})
    call_command("elevate_check_urls")
    assert capsys.readouterr().out == "1 answer, 0 do not, 0 not asked in time.\n"
    answering(monkeypatch, {"https://s.example/a": "certificate"})
    with pytest.raises(CommandError, match="do not answer"):
        call_command("elevate_check_urls")


def test_the_sites_own_hosts_are_known(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.example", ".branch.example", "*"]
    own = staff.is_own_host("asked.example:8000", "[::1]:80")
    for host in ("shop.example", "SHOP.example", "a.branch.example", "asked.example", "::1"):
        assert own(host), host
    for host in ("elsewhere.example", "127.0.0.1"):
        assert not own(host), host
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    assert staff.is_own_host()("localhost")


@pytest.mark.parametrize(
    ("problem", "words"), [("timeout", "no answer in time"), ("status:418", "418"), ("status:599", "599")]
)
def test_every_problem_has_words(problem: str, words: str) -> None:
    assert words in str(staff.problem_words(problem))


def test_the_sheet_names_what_to_type_and_nothing_else(staff_client: LogIn, mapping: ProductMapping) -> None:
    make_mapping(
        product_key="e",
        product_title="<b>Evil</b>",
        remote_product_id='R"1',
        remote_registration_url="https://s.example/?a=1&b",
    )
    make_mapping(product_key="none", remote_product_id="", not_for_elevate=True, product_title="Mug")
    make_mapping(product_key="off", remote_product_id="OFF1", active=False)
    client = staff_client("view_productmapping")
    page = text_of(client.get(f"{LIST}sheet/"))
    assert "ABCD1234" in page
    assert "&lt;b&gt;Evil" in page
    assert "<b>Evil" not in page
    assert "Mug" not in page
    assert "OFF1" not in page
    assert f'{LIST}sheet/"' in text_of(client.get(LIST))


def test_the_sheet_is_not_for_everybody(staff_client: LogIn) -> None:
    assert staff_client("view_registration").get(f"{LIST}sheet/").status_code == 403


def test_an_empty_sheet_says_so(boss: Client) -> None:
    assert "No product is mapped yet." in text_of(boss.get(f"{LIST}sheet/"))


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("ABCD-1234_x.y/z", ""),
        ("A B", "blank"),
        ("A\u00a0B\u200b", "no-break space, zero width space"),
        ("CAFÉ É", "“É”, blank"),
        ("\u04101", "“\u0410”"),
    ],
)
def test_odd_characters_of_an_id_are_named(text: str, odd: str) -> None:
    assert odd_characters(text) == odd


NEW = {
    "product_key": "course:ART",
    "product_title": "Art",
    "remote_product_id": "ART1",
    "remote_registration_url": "",
    "send_email": "unknown",
    "active": "on",
}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"remote_product_id": "ABCD1234"}, "is also used by: Ethics"),
        ({"remote_product_id": "ART 1"}, "unusual characters (blank)"),
        ({"remote_registration_url": "https://elsewhere.example/art"}, "leads to elsewhere.example"),
        ({"product_key": "course:OLD"}, "not on sale"),
    ],
)
def test_what_looks_wrong_is_saved_and_warned_about(
    boss: Client,
    mapping: ProductMapping,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, str],
    words: str,
) -> None:
    monkeypatch.setattr(
        PlainSource,
        "products",
        lambda self, search="", limit=50: [Product("course:OLD", "Old", active=False)],
    )
    page = text_of(boss.post(f"{LIST}add/", {**NEW, **fields}, follow=True))
    assert words in page
    saved = ProductMapping.objects.latest("pk")
    assert saved.pk != mapping.pk
    assert words in text_of(boss.get(f"{LIST}{saved.pk}/change/"))
    page = text_of(boss.post(f"{LIST}{saved.pk}/change/", {**NEW, **fields, "_continue": "1"}, follow=True))
    assert page.count(words) == 1


def test_a_mapping_in_order_is_not_warned_about(boss: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "shop.example"]
    page = text_of(
        boss.post(f"{LIST}add/", {**NEW, "remote_registration_url": "https://shop.example/art"}, follow=True)
    )
    assert 'class="warning"' not in page
    assert "Please check" not in text_of(boss.get(f"{LIST}{ProductMapping.objects.get().pk}/change/"))


def test_what_has_no_id_and_an_address_that_cannot_be_read_are_not_warned_about(plainshop: Any) -> None:
    ProductMapping.objects.create(product_key="course:A", remote_product_id="")
    mapping = ProductMapping.objects.create(
        product_key="course:B", remote_product_id="", remote_registration_url="https://[elsewhere.example"
    )
    assert mapping_warnings(mapping, is_own=lambda host: False) == []


def test_a_source_that_cannot_be_asked_does_not_stop_a_save(
    boss: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Any, search: str = "", limit: int = 50) -> list[Product]:
        raise RuntimeError("away")

    monkeypatch.setattr(PlainSource, "products", fail)
    boss.post(f"{LIST}add/", NEW)
    assert ProductMapping.objects.count() == 1
    assert "could not give its products" in caplog.text


def test_the_picker_gives_whole_addresses_and_says_what_is_not_on_sale(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Product("k", "T", "R1", "/shop/k/", active=False)]
    monkeypatch.setattr(PlainSource, "products", lambda self, search="", limit=50: found)
    (product,) = boss.get(f"{LIST}products/").json()["products"]
    assert (product["url"], product["note"]) == ("http://testserver/shop/k/", "not on sale")


def test_the_picker_offers_the_landing_address_where_it_is_served(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elevate_integration.admin import mappings

    def served(name: str, **given: Any) -> str:
        assert name == "elevate_integration:register"
        return f"/elevate/register/{given['kwargs']['remote_product_id']}/"

    monkeypatch.setattr(mappings, "reverse", served)
    answer = boss.get(f"{LIST}products/").json()
    assert answer["landing"] == f"http://testserver/elevate/register/{answer['landing_id']}/"
