"""Unmapped sales: the list, the decisions, and who may decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from elevate_integration.models import OrderMark, ProductMapping, UnmappedSale

LIST = "/admin/elevate_integration/unmappedsale/"
LogIn = Callable[..., Client]


def text_of(response: Any) -> str:
    return str(response.content.decode())


def sold(ref: str, *keys: str, title: str = "Art") -> None:
    UnmappedSale.objects.create(
        order_ref=ref, seat_key="item:1", product_keys=UnmappedSale.pack(keys), product_title=title
    )


def decide(client: Client, name: str, key: str, **more: str) -> Any:
    return client.post(
        f"{LIST}decide/{name}/", {"product_key": key, "product_title": "Art", **more}, follow=True
    )


def test_an_empty_list_says_so(boss: Client) -> None:
    assert "Every product that was sold has a mapping" in text_of(boss.get(LIST))


def test_the_page_bears_the_name_by_which_the_index_leads_to_it(boss: Client) -> None:
    assert f'<a href="{LIST}">Unmapped sales</a>' in text_of(boss.get("/admin/"))
    assert "<h1>Unmapped sales</h1>" in text_of(boss.get(LIST))


def test_products_are_listed_with_their_seats_and_a_link_to_map_them(boss: Client) -> None:
    for ref in ("1", "2"):
        sold(ref, "art-v", "art", title="<script>alert(1)</script>")
    sold("3", "mug")
    UnmappedSale.objects.filter(order_ref="3").update(decision="left")
    response = boss.get(LIST)
    (product,) = response.context["products"]
    assert (product.key, product.other_keys, product.seats, product.mapped) == ("art-v", ["art"], 2, False)
    assert "product_key=art-v" in text_of(response)
    assert "<script>alert" not in text_of(response)


def test_many_products_come_in_pages_with_the_same_number_of_queries(
    boss: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(120):
        sold(str(number), f"key-{number}")
    with django_assert_max_num_queries(8):
        page = boss.get(LIST)
    assert len(page.context["products"]) == 50
    assert "Page 1 of 3" in text_of(page)
    assert len(boss.get(f"{LIST}?p=3").context["products"]) == 20
    assert boss.get(f"{LIST}?p=nonsense").status_code == 200


def test_not_for_elevate_asks_first(boss: Client) -> None:
    sold("1", "mug")
    page = text_of(decide(boss, "not_for_elevate", "mug"))
    assert "This concerns 1 seat already sold." in page
    assert not ProductMapping.objects.exists()
    page = text_of(decide(boss, "not_for_elevate", "mug", confirm="yes"))
    assert "Not for Elevate: 1 seat." in page
    assert ProductMapping.objects.get().not_for_elevate
    assert not UnmappedSale.objects.open().exists()


@pytest.mark.parametrize(("name", "marks"), [("apply", 1), ("leave", 0)])
def test_a_product_mapped_meanwhile_asks_about_the_past_only(
    boss: Client, mapping: ProductMapping, name: str, marks: int
) -> None:
    sold("1", "variant", "course:ETHICS")
    (product,) = boss.get(LIST).context["products"]
    assert (product.key, product.mapped) == ("course:ETHICS", True)
    decide(boss, name, "course:ETHICS", confirm="yes")
    assert OrderMark.objects.count() == marks
    assert not UnmappedSale.objects.open().exists()


def test_a_decision_is_recorded_with_the_product_or_without_a_mapping_with_its_sale(
    boss: Client, mapping: ProductMapping
) -> None:
    sold("1", "course:ETHICS")
    sold("2", "art")
    sold("3", "art")
    decide(boss, "leave", "course:ETHICS", confirm="yes")
    decide(boss, "leave", "art", confirm="yes")
    found = [(one.get_edited_object(), one.change_message) for one in LogEntry.objects.order_by("pk")]
    assert found == [
        (mapping, "Leave the past sales: 1 seat."),
        (UnmappedSale.objects.get(order_ref="3"), "Leave the past sales: 2 seats."),
    ]


def test_what_is_not_possible_is_told(boss: Client, mapping: ProductMapping) -> None:
    sold("1", "art")
    assert "map the product first" in text_of(decide(boss, "apply", "art", confirm="yes"))
    assert "deactivate that mapping" in text_of(
        decide(boss, "not_for_elevate", "course:ETHICS", confirm="yes")
    )


@pytest.mark.parametrize("name", ["not_for_elevate", "apply", "leave"])
def test_a_forged_post_is_refused(staff_client: LogIn, name: str) -> None:
    sold("1", "art")
    client = staff_client("view_unmappedsale", "add_productmapping")
    assert decide(client, name, "art").status_code == 403
    assert decide(client, name, "art", confirm="yes").status_code == 403
    assert UnmappedSale.objects.open().count() == 1


def test_a_viewer_sees_no_button(staff_client: LogIn, mapping: ProductMapping) -> None:
    sold("1", "art")
    sold("2", "course:ETHICS")
    page = text_of(staff_client("view_unmappedsale").get(LIST))
    assert "Art" in page
    assert "decide/" not in page
    assert "add/?" not in page


def test_others_see_nothing(staff_client: LogIn) -> None:
    assert staff_client("view_registration").get(LIST).status_code == 403


def test_odd_requests(boss: Client) -> None:
    sold("1", "art")
    assert boss.get(f"{LIST}decide/leave/").status_code == 404
    assert boss.put(f"{LIST}decide/leave/?product_key=art").status_code == 405
    assert boss.get(f"{LIST}decide/leave/?product_key=art&confirm=yes").status_code == 200
    assert UnmappedSale.objects.open().count() == 1
    assert decide(boss, "explode", "art").status_code == 404
    assert decide(boss, "leave", "").status_code == 404
    assert decide(boss, "leave", "x" * 200).status_code == 404
    sale = UnmappedSale.objects.get()
    assert boss.get(f"{LIST}{sale.pk}/change/")["Location"] == LIST
