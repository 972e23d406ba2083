"""The *Elevate* box on the store's own admin pages of orders and members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.template import Context, Template
from django.test import Client, RequestFactory

from elevate_integration.models import Registration
from elevate_integration.sync import sync_order
from example_project.members.models import Member
from example_project.store.elevate import StoreOrderSource
from example_project.store.models import Order, Product


@pytest.fixture
def order(buy: Callable[..., Order], product: Callable[[str], Product]) -> Order:
    """Grace's order of one course, read once."""
    from elevate_integration.models import ProductMapping

    made = buy(ProductMapping.objects.filter(active=True, not_for_elevate=False)[0].product_key)
    sync_order(made.pk, trigger="staff")
    assert Registration.objects.of_order(str(made.pk)).exists()
    return made


@pytest.fixture
def office(store: None) -> Client:
    """Somebody who may do everything."""
    client = Client()
    client.force_login(Member.objects.create_superuser("boss@example.org", "secret"))
    return client


def page_of(client: Client, what: Any) -> str:
    kind = "store/order" if isinstance(what, Order) else "members/member"
    answer = client.get(f"/admin/{kind}/{what.pk}/change/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_order_and_the_member_show_what_elevate_has(office: Client, order: Order, grace: Member) -> None:
    row = Registration.objects.of_order(str(order.pk))[0]
    for what in (order, grace):
        page = page_of(office, what)
        box = page[page.index('class="elevate-box"') :]
        assert f"/admin/elevate_integration/registration/{row.pk}/change/" in box
        assert "pending" in box
        assert 'action="/admin/elevate_integration/registration/act/cancel/"' in box
        assert "elevate_integration/admin.css" in page


def test_a_button_of_the_box_leads_to_the_page_that_asks(office: Client, order: Order) -> None:
    row = Registration.objects.of_order(str(order.pk))[0]
    asked = office.post(
        "/admin/elevate_integration/registration/act/cancel/", {"pks": row.pk, "detail": "yes"}
    )
    assert "are you sure?" in asked.content.decode()
    row.refresh_from_db()
    assert row.wanted


def test_a_person_sees_in_the_box_only_what_he_may_do(store: None, order: Order) -> None:
    clerk = Member.objects.create_user("clerk@example.org", "secret", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_order", "view_member"]))
    client = Client()
    client.force_login(clerk)
    assert "elevate-box" not in page_of(client, order)
    clerk.user_permissions.add(Permission.objects.get(codename="view_registration"))
    page = page_of(client, order)
    assert "elevate-box" in page
    assert "/act/" not in page


def test_a_member_without_registrations_has_an_empty_box(office: Client, store: None) -> None:
    member = Member.objects.create_user("new@example.org", "secret")
    assert "elevate-box" in page_of(office, member)


def test_a_broken_source_costs_only_the_box(
    office: Client, grace: Member, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Any, user: Any) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr(StoreOrderSource, "learner_for", fail)
    assert "elevate-box" not in page_of(office, grace)
    assert "could not give the learner" in caplog.text


def test_the_tag_works_in_a_template_of_the_hosts_own(office: Client, order: Order) -> None:
    request = RequestFactory().get("/")
    request.user = Member.objects.get(email="boss@example.org")
    template = Template("{% load elevate_admin %}{% elevate_box order %}")
    assert "elevate-box" in template.render(Context({"request": request, "order": order}))
    assert "elevate-box" in template.render(Context({"request": request, "order": str(order.pk)}))
    assert template.render(Context({"order": order})).strip() == ""


def test_where_the_admin_does_not_show_our_pages_there_is_no_box(
    office: Client, order: Order, settings: Any
) -> None:
    settings.ROOT_URLCONF = "example_project.members.urls"
    request = RequestFactory().get("/")
    request.user = Member.objects.get(email="boss@example.org")
    template = Template("{% load elevate_admin %}{% elevate_box order %}")
    assert template.render(Context({"request": request, "order": order})).strip() == ""


def test_a_member_is_linked_from_his_user_id(grace: Member) -> None:
    source = StoreOrderSource()
    assert source.member_url(grace.member_number) == f"/admin/members/member/{grace.pk}/change/"
    assert source.member_url("nobody") == ""
