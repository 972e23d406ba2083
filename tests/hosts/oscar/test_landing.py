"""Elevate's Register button in an Oscar shop: the landing address fills Oscar's own basket."""

from __future__ import annotations

import pytest
from django.urls import reverse
from oscar.apps.basket.signals import basket_addition
from oscar.core.loading import get_model

from elevate_integration.models import ProductMapping
from tests.hosts.oscar import shop

pytestmark = pytest.mark.django_db
LANDING = "/elevate/register/ABCD1234/"


def lines():
    return [(line.product.title, line.quantity) for line in get_model("basket", "Line").objects.all()]


@pytest.mark.parametrize("logged_in", [True, False])
def test_the_button_fills_the_basket_of_members_and_guests_once(ethics, logged_in):
    added = []

    def hear(product, **_):
        added.append(product.pk)

    client = shop.visitor(shop.member() if logged_in else None)
    assert client.get(LANDING).status_code == 200
    assert client.head(LANDING).status_code == 200
    assert lines() == []
    basket_addition.connect(hear)
    for _ in range(2):
        assert client.post(LANDING).headers["Location"] == reverse("basket:summary")
    basket_addition.disconnect(hear)
    assert lines() == [(ethics.title, 1)]
    assert added == [ethics.pk]
    assert ethics.title in client.get(reverse("basket:summary")).content.decode()


def test_what_oscar_cannot_sell_is_said_to_be_sold_out_in_its_words(ethics):
    get_model("catalogue", "ProductClass").objects.update(track_stock=True)
    ethics.stockrecords.update(num_in_stock=0)
    answer = shop.visitor().post(LANDING)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Sold out" in page
    assert "Unavailable" in page
    assert ethics.get_absolute_url() in page
    assert lines() == []


def test_a_product_that_asks_for_something_shows_its_page(ethics, law):
    parent, _, _ = law
    ProductMapping.objects.create(product_key="upc:LAW", remote_product_id="LAW5678")
    answer = shop.visitor().post("/elevate/register/LAW5678/")
    assert answer.headers["Location"].endswith(parent.get_absolute_url())
    option = get_model("catalogue", "Option").objects.create(name="Attendee", code="attendee", required=True)
    ethics.product_class.options.add(option)
    answer = shop.visitor().post(LANDING)
    assert answer.headers["Location"].endswith(ethics.get_absolute_url())
    assert lines() == []


def test_a_product_that_is_not_public_is_gone(ethics):
    type(ethics).objects.update(is_public=False)
    assert shop.visitor().get(LANDING).status_code == 410
