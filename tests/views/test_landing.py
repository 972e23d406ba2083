"""The landing address: what Elevate's Register button leads to. GET changes nothing; POST asks the order source."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from elevate_integration.members import arriving
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.orders.source import SoldOutError
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping

Make = Callable[..., Registration]
ETHICS = "/elevate/register/ABCD1234/"


@pytest.fixture
def carts(host: type[PlainSource], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shop with pages and a cart: the product keys that were put in it."""
    filled: list[str] = []

    def add_to_cart(self: PlainSource, request: HttpRequest, product_key: str) -> str:
        filled.append(product_key)
        return "/cart/"

    monkeypatch.setattr(
        PlainSource, "product_url", lambda self, key: f"https://shop.example/{key}/", raising=False
    )
    monkeypatch.setattr(PlainSource, "add_to_cart", add_to_cart, raising=False)
    return filled


def test_a_visitor_gets_a_page_with_one_button_and_nothing_happens(
    mapping: ProductMapping, carts: list[str], client: Client
) -> None:
    answer = client.get(ETHICS)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Ethics" in page
    assert page.count("<button") == 1
    assert "csrfmiddlewaretoken" in page
    assert carts == []
    assert not client.session.keys()


def test_the_button_puts_the_product_in_the_cart_and_remembers_where_the_visitor_came_from(
    mapping: ProductMapping, carts: list[str], client: Client
) -> None:
    answer = client.post(ETHICS)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/cart/")
    assert carts == ["course:ETHICS"]
    request = HttpRequest()
    request.session = client.session
    assert arriving.remembered(request) == ["ABCD1234"]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("get", {"Sec-Purpose": "prefetch"}),
        ("get", {"Sec-Purpose": "prefetch;prerender"}),
        ("get", {"Purpose": "prefetch"}),
        ("get", {"User-Agent": "Googlebot/2.1"}),
        ("head", {}),
    ],
)
def test_who_only_looks_fills_no_cart(
    mapping: ProductMapping, carts: list[str], client: Client, method: str, headers: dict[str, str]
) -> None:
    answer = getattr(client, method)(ETHICS, headers=headers)
    assert answer.status_code == 200
    assert carts == []
    assert not client.session.keys()


def test_other_methods_are_refused(mapping: ProductMapping, carts: list[str], client: Client) -> None:
    assert client.put(ETHICS).status_code == client.delete(ETHICS).status_code == 405
    assert carts == []


def test_a_button_pressed_from_elsewhere_is_refused(mapping: ProductMapping, carts: list[str]) -> None:
    assert Client(enforce_csrf_checks=True).post(ETHICS).status_code == 403
    assert carts == []


def test_csrf_is_checked_on_sites_that_do_not_check_it_everywhere(
    mapping: ProductMapping, carts: list[str], settings: Any
) -> None:
    settings.MIDDLEWARE = [name for name in django_settings.MIDDLEWARE if "Csrf" not in name]
    client = Client(enforce_csrf_checks=True)
    assert client.post(ETHICS).status_code == 403
    token = re.search(r'value="(\w+)"', client.get(ETHICS).content.decode())
    assert token is not None
    assert client.post(ETHICS, {"csrfmiddlewaretoken": token[1]}).status_code == 302
    assert carts == ["course:ETHICS"]


@pytest.mark.parametrize("path", [ETHICS, "/elevate/register/NOPE/"])
def test_search_engines_and_caches_keep_nothing(
    mapping: ProductMapping, carts: list[str], client: Client, path: str
) -> None:
    answer = client.get(path)
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "odd", ["A/B", "A B", "ü?x=1&y#z", "100%", "<script>", "..x", "//evil.example", "a" * 150]
)
def test_an_odd_remote_product_id_has_an_address_that_works(
    host: type[PlainSource], carts: list[str], client: Client, odd: str
) -> None:
    make_mapping(remote_product_id=odd)
    address = reverse("elevate_integration:register", kwargs={"remote_product_id": odd})
    assert client.get(address).status_code == 200
    assert client.post(address).headers["Location"] == "/cart/"
    assert carts == ["course:ETHICS"]


@pytest.mark.parametrize("nonsense", ["NOPE", "abcd1234", "%00", "x" * 3000, "ABCD1234/"])
def test_an_unknown_product_gets_a_page_with_404(
    mapping: ProductMapping, carts: list[str], client: Client, nonsense: str
) -> None:
    answer = client.get(f"/elevate/register/{nonsense}/")
    assert answer.status_code == 404
    assert "not sold here" in answer.content.decode()
    assert client.post(f"/elevate/register/{nonsense}/").status_code == 404
    assert carts == []


@pytest.mark.parametrize("fields", [{"active": False}, {"not_for_elevate": True}])
def test_a_product_that_staff_took_away_gets_a_page(
    mapping: ProductMapping, carts: list[str], client: Client, fields: dict[str, bool]
) -> None:
    ProductMapping.objects.update(**fields)
    gone = 410 if "active" in fields else 404
    for answer in (client.get(ETHICS), client.post(ETHICS)):
        assert answer.status_code == gone
        assert "sold here" in answer.content.decode()
    assert carts == []


def test_a_product_that_the_store_does_not_sell_gets_a_page(
    mapping: ProductMapping, carts: list[str], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainSource, "product_url", lambda self, key: "")
    answer = client.get(ETHICS)
    assert answer.status_code == 410
    assert "“Ethics” is no longer sold here" in answer.content.decode()


def test_a_sold_out_product_is_said_to_be_so_with_the_stores_words(
    mapping: ProductMapping, carts: list[str], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sold_out(*_: Any) -> str:
        raise SoldOutError("All 12 places of May are taken.<br>")

    monkeypatch.setattr(PlainSource, "add_to_cart", sold_out)
    answer = client.post(ETHICS)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "All 12 places of May are taken.&lt;br&gt;" in page
    assert 'href="https://shop.example/course:ETHICS/"' in page
    assert not client.session.keys()


def test_what_cannot_be_put_in_the_cart_leads_to_its_page(
    mapping: ProductMapping, carts: list[str], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainSource, "add_to_cart", lambda *_: "")
    assert client.post(ETHICS).headers["Location"] == "https://shop.example/course:ETHICS/"


def test_a_store_without_a_cart_to_fill_shows_the_products_page(
    mapping: ProductMapping, host: type[PlainSource], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        PlainSource, "product_url", lambda self, key: f"https://shop.example/{key}/", raising=False
    )
    assert "Go on to the store" in client.get(ETHICS).content.decode()
    assert client.post(ETHICS).headers["Location"] == "https://shop.example/course:ETHICS/"


def test_a_source_without_any_page_gets_a_page_of_ours(
    mapping: ProductMapping, host: type[PlainSource], client: Client
) -> None:
    assert client.get(ETHICS).status_code == 200
    assert client.post(ETHICS).status_code == 410


def test_a_visitor_is_kept_through_the_log_in(
    mapping: ProductMapping, carts: list[str], client: Client, monkeypatch: pytest.MonkeyPatch, ada: Any
) -> None:
    def members_only(self: PlainSource, request: HttpRequest, product_key: str) -> str:
        if request.user.is_authenticated:
            carts.append(product_key)
            return "/cart/"
        return redirect_to_login(request.get_full_path()).url

    monkeypatch.setattr(PlainSource, "add_to_cart", members_only)
    log_in = client.post(ETHICS).headers["Location"]
    assert log_in == f"/login/?next={ETHICS}"
    answer = client.post("/login/", {"username": "ada@example.org", "password": "secret", "next": ETHICS})
    assert answer.headers["Location"] == ETHICS
    assert client.get(ETHICS).status_code == 200
    assert client.post(ETHICS).headers["Location"] == "/cart/"
    assert carts == ["course:ETHICS"]


@pytest.mark.parametrize("query", ["?next=https://evil.example/", "?url=//evil.example", "?to=javascript:1"])
def test_no_visitor_chooses_where_he_is_sent(
    mapping: ProductMapping, carts: list[str], client: Client, query: str
) -> None:
    data = {"next": "https://evil.example/", "url": "https://evil.example/"}
    assert client.post(ETHICS + query, data).headers["Location"] == "/cart/"
    assert "evil" not in client.get(ETHICS + query).content.decode()


def test_who_has_the_course_goes_straight_to_it(
    adas: Make, ada: Any, carts: list[str], client: Client
) -> None:
    adas()
    client.force_login(ada)
    for answer in (client.get(ETHICS), client.post(ETHICS)):
        assert (answer.status_code, answer.headers["Location"]) == (302, "https://elevate.example/p")
    assert carts == []


@pytest.mark.parametrize("state", [{}, {"obstacle": "refused"}, {"obstacle": "incomplete"}])
def test_who_has_bought_it_is_not_sold_it_twice(
    adas: Make, ada: Any, carts: list[str], client: Client, state: dict[str, str]
) -> None:
    adas(at_elevate="absent", **state)
    client.force_login(ada)
    assert client.get(ETHICS).headers["Location"] == "/elevate/courses/"
    assert client.post(ETHICS).headers["Location"] == "/elevate/courses/"
    assert carts == []


def test_who_has_the_course_keeps_it_when_the_product_is_taken_away(
    adas: Make, ada: Any, carts: list[str], client: Client
) -> None:
    adas()
    ProductMapping.objects.update(active=False)
    client.force_login(ada)
    assert client.get(ETHICS).headers["Location"] == "https://elevate.example/p"


def test_who_gave_it_up_and_who_is_somebody_else_can_buy(
    adas: Make, ada: Any, bob: Any, carts: list[str], client: Client
) -> None:
    adas(wanted=False, at_elevate="absent")
    for user in (ada, bob):
        client.force_login(user)
        assert client.post(ETHICS).headers["Location"] == "/cart/"


def test_a_course_that_is_sold_alone_and_in_a_bundle_is_sold_alone(
    host: type[PlainSource], carts: list[str], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, remote in (("bundle", "ABCD1234"), ("bundle", "OTHER"), ("course:ETHICS", "ABCD1234")):
        make_mapping(product_key=key, remote_product_id=remote)
    client.post(ETHICS)
    assert carts == ["course:ETHICS"]
    monkeypatch.setattr(
        PlainSource, "product_url", lambda self, key: "https://shop.example/" if key == "bundle" else ""
    )
    client.post(ETHICS)
    assert carts == ["course:ETHICS", "bundle"]


def test_where_a_visitor_came_from_is_kept_for_a_day_and_for_five_products(
    rf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = rf.get("/")
    request.session = {}
    for name in "abcdefa":
        arriving.remember(request, name)
    assert arriving.remembered(request) == ["a", "f", "e", "d", "c"]
    later = arriving.time.time() + 25 * 60 * 60
    monkeypatch.setattr(arriving.time, "time", lambda: later)
    assert arriving.remembered(request) == []


def test_a_site_without_sessions_remembers_nothing(rf: Any) -> None:
    request = rf.get("/")
    arriving.remember(request, "a")
    assert arriving.remembered(request) == []
