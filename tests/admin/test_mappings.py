"""Product mappings: the picker, what a save says and does, and who may map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import path

from elevate_integration.lifecycle import Obstacle, Status
from elevate_integration.models import OrderMark, ProductMapping, Registration, UnmappedSale
from elevate_integration.orders.source import Product
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping

# A host that does not serve the pages for members.
urlpatterns = [path("admin/", admin.site.urls)]

LIST = "/admin/elevate_integration/productmapping/"
PRODUCTS = f"{LIST}products/"
ART = {
    "product_key": "course:ART",
    "product_title": "Art",
    "remote_product_id": "ART1",
    "remote_registration_url": "shop.example/art",
    "send_email": "unknown",
    "active": "on",
}
LogIn = Callable[..., Client]


def text_of(response: Any) -> str:
    return str(response.content.decode())


def sold(*refs: str, key: str = "course:ART") -> None:
    for ref in refs:
        UnmappedSale.objects.create(
            order_ref=ref, seat_key="item:1", product_keys=UnmappedSale.pack((key,)), product_title="Art"
        )


def test_a_mapping_is_added_with_its_address_as_https(boss: Client) -> None:
    page = text_of(boss.get(f"{LIST}add/"))
    assert f'data-elevate-products="{PRODUCTS}"' in page
    assert "elevate_integration/product_picker.js" in page
    assert "apply_past" not in page
    boss.post(f"{LIST}add/", ART)
    mapping = ProductMapping.objects.get()
    assert (mapping.remote_product_id, mapping.active, mapping.send_email) == ("ART1", True, None)
    assert mapping.remote_registration_url == "https://shop.example/art"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"remote_product_id": ""}, "Type the Remote Product ID"),
        ({"not_for_elevate": "on"}, "Clear one of them"),
        ({"product_key": "course:ETHICS", "remote_product_id": "ABCD1234"}, "already mapped"),
        ({"product_key": ""}, "This field is required"),
    ],
)
def test_mistakes_are_told(boss: Client, mapping: ProductMapping, fields: dict[str, str], words: str) -> None:
    assert words in text_of(boss.post(f"{LIST}add/", {**ART, **fields}))
    assert ProductMapping.objects.count() == 1


def test_a_product_without_a_course_needs_no_id(boss: Client) -> None:
    sold("1")
    boss.post(f"{LIST}add/", {**ART, "remote_product_id": "", "not_for_elevate": "on"})
    assert ProductMapping.objects.get().not_for_elevate
    assert not UnmappedSale.objects.open().exists()


def test_a_shared_remote_product_id_is_warned_about(boss: Client, mapping: ProductMapping) -> None:
    page = text_of(boss.post(f"{LIST}add/", {**ART, "remote_product_id": "ABCD1234"}, follow=True))
    assert "is also used by: Ethics (course:ETHICS)" in page
    make_mapping(product_key="other", remote_product_id="ART1", product_title="<b>Other</b>", active=True)
    page = text_of(boss.post(f"{LIST}add/", ART, follow=True))
    assert "&lt;b&gt;Other" in page


def test_mapping_a_sold_product_asks_about_the_past(boss: Client) -> None:
    sold("1", "2")
    page = text_of(boss.get(f"{LIST}add/?product_key=course:ART&product_title=Art+%3Cb%3E"))
    assert "Also register the 2 seats already sold" in page
    assert 'value="course:ART"' in page
    assert "Art &lt;b&gt;" in page


@pytest.mark.parametrize(("ticked", "marked", "decision"), [(True, ["1", "2"], "apply"), (False, [], "left")])
def test_the_answer_about_the_past_is_followed(
    boss: Client, ticked: bool, marked: list[str], decision: str
) -> None:
    sold("1", "2")
    data = {**ART, "apply_past": "on"} if ticked else ART
    page = boss.post(f"{LIST}add/?product_key=course:ART", data, follow=True)
    assert "2 seats already sold" in text_of(page)
    assert sorted(OrderMark.objects.values_list("order_ref", flat=True)) == marked
    assert {sale.decision for sale in UnmappedSale.objects.all()} == {decision}


def test_a_new_mapping_leads_to_the_question_about_its_past_and_shows_the_seats(boss: Client) -> None:
    sold("order-1")
    page = text_of(boss.post(f"{LIST}add/", ART, follow=True))
    assert "This concerns 1 seat already sold." in page
    assert "order-1" in page
    assert "Register the past sales" in page
    assert "Leave the past sales" in page
    assert UnmappedSale.objects.open().count() == 1
    assert not OrderMark.objects.exists()


def test_who_goes_on_adding_is_reminded_of_the_past(boss: Client) -> None:
    sold("1")
    page = text_of(boss.post(f"{LIST}add/", {**ART, "_addanother": "1"}, follow=True))
    assert "1 seat of this product was sold before" in page
    assert "/unmappedsale/decide/apply/?product_key=course%3AART" in page


def test_who_may_not_decide_about_the_past_is_told_without_a_button(staff_client: LogIn) -> None:
    sold("1")
    client = staff_client("add_productmapping", "view_productmapping")
    page = text_of(client.post(f"{LIST}add/", ART, follow=True))
    assert "1 seat of this product was sold before" in page
    assert "/unmappedsale/" not in page


def test_the_form_shows_the_seats_that_it_asks_about(boss: Client) -> None:
    sold(*(f"order-{number}" for number in range(30)))
    page = text_of(boss.get(f"{LIST}add/?product_key=course:ART"))
    assert "order-0" in page
    assert "and 10 more" in page


def test_the_past_of_another_product_is_not_decided_by_a_link(boss: Client) -> None:
    sold("1", key="course:OTHER")
    boss.post(f"{LIST}add/?product_key=course:OTHER", {**ART, "apply_past": "on"})
    assert UnmappedSale.objects.open().count() == 1


def test_a_mended_id_offers_to_retry_what_was_refused(
    boss: Client, mapping: ProductMapping, row: Any
) -> None:
    refused = row(obstacle=Obstacle.REFUSED)
    data = {**ART, "product_key": "course:ETHICS", "remote_product_id": "RIGHT1"}
    page = text_of(boss.post(f"{LIST}{mapping.pk}/change/", data, follow=True))
    assert "1 registration of this product was refused before" in page
    ask = f"{LIST}retry/?mapping={mapping.pk}"
    assert ask in page
    refused.refresh_from_db()
    assert (refused.status, refused.remote_product_id) == (Status.REFUSED, "RIGHT1")
    page = text_of(boss.get(ask))
    assert refused.lastname in page
    assert "Try 1 registration again" in page
    refused.refresh_from_db()
    assert refused.status == Status.REFUSED
    page = text_of(boss.post(f"{LIST}retry/", {"mapping": mapping.pk}, follow=True))
    assert "1 refused registration is tried again" in page
    refused.refresh_from_db()
    assert refused.status == Status.PENDING
    assert Registration.objects.get().actor == "boss@example.org"
    assert LogEntry.objects.order_by("-pk")[0].change_message == "1 refused registration is tried again."
    assert "Nothing of these products is refused" in text_of(boss.get(ask))


def test_odd_mappings_are_not_retried(boss: Client, mapping: ProductMapping, row: Any) -> None:
    refused = row(obstacle=Obstacle.REFUSED)
    mapping.active = False
    mapping.save()
    for pk in (mapping.pk, "", "x", "²", 999):
        boss.post(f"{LIST}retry/", {"mapping": pk})
    refused.refresh_from_db()
    assert refused.status == Status.REFUSED


def test_other_changes_retry_nothing(boss: Client, mapping: ProductMapping, row: Any) -> None:
    refused = row(obstacle=Obstacle.REFUSED)
    data = {**ART, "product_key": "course:ETHICS", "remote_product_id": "ABCD1234", "product_title": "New"}
    boss.post(f"{LIST}{mapping.pk}/change/", data)
    refused.refresh_from_db()
    assert refused.status == Status.REFUSED


def test_deactivate_and_activate(boss: Client, mapping: ProductMapping) -> None:
    other = make_mapping(product_key="x", remote_product_id="X", active=False)
    chosen = {"_selected_action": [mapping.pk, other.pk]}
    page = text_of(boss.post(LIST, {"action": "deactivate", **chosen}, follow=True))
    assert "1 mapping is inactive; nothing is cancelled." in page
    sold("1", key="x")
    page = text_of(boss.post(LIST, {"action": "activate", **chosen}, follow=True))
    assert "2 mappings are active." in page
    assert "1 seat of this product was sold before" in page
    assert "decide/apply/?product_key=x" in page
    assert LogEntry.objects.order_by("pk").values_list("change_message", flat=True)[0] == "Deactivated."
    assert LogEntry.objects.count() == 3


def test_nothing_is_deleted(boss: Client, mapping: ProductMapping) -> None:
    assert boss.post(f"{LIST}{mapping.pk}/delete/", {"post": "yes"}).status_code == 403
    boss.post(LIST, {"action": "delete_selected", "_selected_action": [mapping.pk], "post": "yes"})
    assert ProductMapping.objects.count() == 1


@pytest.mark.parametrize("codename", ["map_product", "add_productmapping"])
def test_who_may_map_may_add(staff_client: LogIn, codename: str) -> None:
    client = staff_client(codename)
    client.post(f"{LIST}add/", ART)
    assert ProductMapping.objects.count() == 1
    assert client.get(PRODUCTS).status_code == 200


def test_a_viewer_cannot_map(staff_client: LogIn, mapping: ProductMapping) -> None:
    client = staff_client("view_productmapping")
    assert client.get(LIST).status_code == 200
    assert client.get(f"{LIST}{mapping.pk}/change/").status_code == 200
    assert client.post(f"{LIST}add/", ART).status_code == 403
    assert client.post(f"{LIST}{mapping.pk}/change/", ART).status_code == 403
    assert client.get(PRODUCTS).status_code == 403
    assert client.get(f"{LIST}retry/?mapping={mapping.pk}").status_code == 403
    assert client.post(f"{LIST}retry/", {"mapping": mapping.pk}).status_code == 403
    assert client.post(f"{LIST}check/").status_code == 403
    assert client.get(f"{LIST}import/").status_code == 403
    assert client.post(f"{LIST}process_import/").status_code == 403
    page = text_of(client.get(LIST))
    for button in ("import/", "check/", "add/", "retry/"):
        assert f'{LIST}{button}"' not in page
    sold("1", key=mapping.product_key)
    assert "apply_past" not in text_of(client.get(f"{LIST}{mapping.pk}/change/"))
    client.post(LIST, {"action": "deactivate", "_selected_action": [mapping.pk]})
    mapping.refresh_from_db()
    assert mapping.active


@pytest.mark.urls("tests.admin.test_mappings")
def test_the_picker_offers_the_stores_products(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def products(self: Any, search: str = "", limit: int = 50) -> list[Product]:
        asked.append((search, limit))
        return [Product("k", "<b>T</b>", "R1", "https://shop.example/k")] * 500

    monkeypatch.setattr(PlainSource, "products", products)
    answer = boss.get(PRODUCTS, {"q": "eth"})
    assert answer["Content-Type"] == "application/json"
    assert len(answer.json()["products"]) == 20
    assert answer.json()["products"][0] == {
        "key": "k",
        "title": "<b>T</b>",
        "remote_product_id": "R1",
        "url": "https://shop.example/k",
        "note": "",
    }
    assert (answer.json()["landing"], answer.json()["landing_id"]) == ("", "")
    assert asked == [("eth", 20)]


def test_a_broken_source_leaves_a_text_field(
    boss: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Any, search: str = "", limit: int = 50) -> list[Product]:
        raise RuntimeError("away")

    monkeypatch.setattr(PlainSource, "products", fail)
    answer = boss.get(PRODUCTS).json()
    assert answer["products"] == []
    assert "cannot be read" in answer["error"]
    assert "could not give its products" in caplog.text
    assert boss.get(f"{LIST}add/").status_code == 200
