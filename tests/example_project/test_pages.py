"""The store through its pages, as a member and as the office."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from elevate_integration.models import ProductMapping
from example_project.members.models import Member
from example_project.store import services
from example_project.store.catalogue import elevate_products
from example_project.store.models import Order, Product
from tests.rows import make_row

LogIn = Callable[[str], Client]
Buy = Callable[..., Order]


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_everybody_sees_the_catalogue(store: None, client: Client) -> None:
    page = text(client.get("/"))
    assert "Boundary Law Certificate" in page
    assert "Free" in page
    assert "Drone Mapping" not in text(client.get("/?kind=book"))


def test_the_demonstrations_people_are_listed_only_in_the_demonstration(
    store: None, client: Client, settings: Any
) -> None:
    assert "grace@example.org" in text(client.get("/login/"))
    settings.DEMO = False
    assert "grace@example.org" not in text(client.get("/login/"))


def test_a_wrong_password_is_refused(store: None, client: Client) -> None:
    page = text(client.post("/login/", {"username": "grace@example.org", "password": "wrong"}))
    assert "Please enter a correct" in page


def test_a_members_pages_ask_for_a_log_in(buy: Buy, client: Client) -> None:
    order = buy("RB-BND-101")
    line = order.lines.get()
    for path in (
        "/cart/",
        "/checkout/",
        "/orders/",
        f"/orders/{order.pk}/",
        f"/orders/lines/{line.pk}/seats/",
    ):
        assert client.get(path).headers["Location"].startswith("/login/")
    assert client.get("/elevate/courses/").headers["Location"] == "/login/?next=/elevate/courses/"


def test_a_visitors_choice_is_in_the_cart_after_the_log_in(store: None, client: Client) -> None:
    answer = client.post("/products/ethics/add/", {"quantity": 1})
    assert answer.headers["Location"] == "/login/?next=/cart/"
    assert "your course goes into the cart" in text(client.get("/login/?next=/cart/"))
    logging_in = {"username": "grace@example.org", "password": "demo", "next": "/cart/"}
    page = text(client.post("/login/", logging_in, follow=True))
    assert "Ethics and Standards of Practice" in page


def test_a_member_buys_a_course(log_in: LogIn) -> None:
    client = log_in("grace@example.org")
    page = text(client.post("/products/drone-mapping/add/", {"quantity": 2}, follow=True))
    assert "$258.00" in page
    assert "Pay $258.00" in text(client.get("/checkout/"))
    page = text(client.post("/checkout/", {"card": "ok"}, follow=True))
    assert "Your order is paid" in page
    assert "Name the learners" in page
    assert "2 × Drone Mapping" in text(client.get("/orders/"))  # noqa: RUF001


def test_a_free_course_is_ordered_without_a_card(log_in: LogIn) -> None:
    client = log_in("grace@example.org")
    client.post("/products/ethics/add/", {"quantity": 1})
    assert "Nothing to pay" in text(client.get("/checkout/"))
    assert "Your order is paid" in text(client.post("/checkout/", follow=True))


def test_a_declined_card_is_told_and_the_cart_is_kept(log_in: LogIn) -> None:
    client = log_in("grace@example.org")
    client.post("/products/drone-mapping/add/", {"quantity": 1})
    page = text(client.post("/checkout/", {"card": "declined"}, follow=True))
    assert "Nothing was charged" in page
    assert not Order.objects.exclude(placed_at=None).exists()
    assert "$129.00" in text(client.get("/cart/"))


def test_a_checkout_without_a_choice_asks_again(log_in: LogIn) -> None:
    client = log_in("grace@example.org")
    client.post("/products/drone-mapping/add/", {"quantity": 1})
    assert "This field is required" in text(client.post("/checkout/"))


def test_an_empty_cart_cannot_be_checked_out(log_in: LogIn) -> None:
    client = log_in("grace@example.org")
    assert "Nothing here yet" in text(client.get("/cart/"))
    assert "Your cart is empty" in text(client.get("/checkout/", follow=True))


@pytest.mark.parametrize("quantity", ["0", "51", "-1", "many", ""])
def test_odd_quantities_are_refused(log_in: LogIn, quantity: str) -> None:
    client = log_in("grace@example.org")
    page = text(client.post("/products/ethics/add/", {"quantity": quantity}, follow=True))
    assert "between 1 and 50" in page
    assert not Order.objects.exists()


def test_the_cart_is_changed(log_in: LogIn, grace: Member) -> None:
    client = log_in("grace@example.org")
    client.post("/products/drone-mapping/add/", {"quantity": 1})
    cart = services.cart_of(grace)
    assert cart is not None
    path = f"/cart/lines/{cart.lines.get().pk}/"
    assert "$580.50" in text(client.post(path, {"quantity": 5}, follow=True))
    assert "between 0 and 50" in text(client.post(path, {"quantity": "x"}, follow=True))
    assert "Nothing here yet" in text(client.post(path, {"quantity": 0}, follow=True))


def test_a_placed_order_is_not_changed_through_the_carts_address(log_in: LogIn, buy: Buy) -> None:
    line = buy("RB-BND-101").lines.get()
    client = log_in("grace@example.org")
    page = text(client.post(f"/cart/lines/{line.pk}/", {"quantity": 9}, follow=True))
    assert "can no longer be changed" in page


def places(*people: tuple[str, str, str]) -> dict[str, str]:
    data = {"form-TOTAL_FORMS": str(len(people)), "form-INITIAL_FORMS": "0"}
    for number, person in enumerate(people):
        for name, value in zip(("first_name", "last_name", "email"), person, strict=True):
            data[f"form-{number}-{name}"] = value
    return data


def test_learners_are_named_after_the_order(log_in: LogIn, buy: Buy) -> None:
    line = buy(("RB-BND-101", 3)).lines.get()
    client = log_in("grace@example.org")
    path = f"/orders/lines/{line.pk}/seats/"
    assert "Place 3" in text(client.get(path))
    named = places(("", "", ""), ("Zoë", "B", "zoe@example.org"), ("", "", ""))
    page = text(client.post(path, named, follow=True))
    assert "The places are saved" in page
    assert [(p.position, p.member and p.member.member_number) for p in line.attendees.all()] == [
        (2, "RB-1003")
    ]
    assert "zoe@example.org" in text(client.get(path))
    text(client.post(path, places(("", "", ""), ("", "", ""), ("", "", "")), follow=True))
    assert not line.attendees.exists()


def test_half_a_name_is_asked_for_again(log_in: LogIn, buy: Buy) -> None:
    line = buy("RB-BND-101").lines.get()
    client = log_in("grace@example.org")
    page = text(client.post(f"/orders/lines/{line.pk}/seats/", places(("Zoë", "", ""))))
    assert page.count("leave the whole row empty") == 2


def test_what_belongs_to_others_is_not_found(log_in: LogIn, buy: Buy) -> None:
    order = buy("RB-BND-101")
    line = order.lines.get()
    client = log_in("zoe@example.org")
    assert client.get(f"/orders/{order.pk}/").status_code == 404
    assert client.get(f"/orders/lines/{line.pk}/seats/").status_code == 404
    assert client.post(f"/cart/lines/{line.pk}/", {"quantity": 0}).status_code == 404


def test_a_get_changes_nothing(log_in: LogIn) -> None:
    client = log_in("grace@example.org")
    for path in ("/products/ethics/add/", "/cart/lines/1/", "/logout/"):
        assert client.get(path).status_code == 405


def test_a_post_without_the_token_is_refused(store: None) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/products/ethics/add/", {"quantity": 1}).status_code == 403


def test_names_are_escaped(log_in: LogIn, store: None) -> None:
    Product.objects.filter(slug="ethics").update(title="<script>alert(1)</script>")
    assert "<script>" not in text(log_in("grace@example.org").get("/products/ethics/"))


def test_my_courses_is_a_page_of_the_store(log_in: LogIn) -> None:
    make_row(
        ProductMapping.objects.get(remote_product_id="RB001"),
        learner_key="RB-1001",
        at_elevate="present",
        product_url="https://elevate.example/p?x=1",
    )
    page = text(log_in("grace@example.org").get("/elevate/courses/"))
    assert 'class="site-header"' in page
    assert 'href="https://elevate.example/p?x=1"' in page
    assert "Ready" not in text(log_in("zoe@example.org").get("/elevate/courses/"))


def test_who_has_a_course_is_told_so(log_in: LogIn) -> None:
    client = log_in("grace@example.org")
    assert "You already have this course" not in text(client.get("/products/ethics/"))
    make_row(
        ProductMapping.objects.get(remote_product_id="RB001"), learner_key="RB-1001", at_elevate="present"
    )
    assert "You already have this course" in text(client.get("/products/ethics/"))


def test_the_office_sees_orders_but_no_carts(log_in: LogIn, buy: Buy, grace: Member) -> None:
    order = buy(("RB-BND-101", 2))
    cart = services.add_to_cart(grace, Product.objects.get(sku="RB-ETH-001"))
    client = log_in("staff@example.org")
    page = text(client.get("/admin/store/order/"))
    assert f"Order {order.pk}<" in page
    assert f"Order {cart.pk}<" not in page
    assert "Refund this line" in text(client.get(f"/admin/store/order/{order.pk}/change/"))
    for path in ("/admin/members/member/", "/admin/members/member/add/", "/admin/store/product/", "/admin/"):
        text(client.get(path))


def test_the_office_refunds_orders_after_a_question(log_in: LogIn, buy: Buy) -> None:
    order = buy("RB-BND-101")
    client = log_in("staff@example.org")
    act = {"action": "refund_orders", "_selected_action": [order.pk]}
    assert "is given back" in text(client.post("/admin/store/order/", act))
    order.refresh_from_db()
    assert order.status == Order.Status.PAID
    page = text(client.post("/admin/store/order/", {**act, "confirmed": "yes"}, follow=True))
    assert "$149.00 refunded" in page
    order.refresh_from_db()
    assert order.status == Order.Status.REFUNDED
    page = text(client.post("/admin/store/order/", {**act, "confirmed": "yes"}, follow=True))
    assert "nothing to refund" in page


def test_the_office_cancels_orders_without_a_refund(log_in: LogIn, buy: Buy) -> None:
    order = buy("RB-BND-101")
    client = log_in("staff@example.org")
    act = {"action": "cancel_orders", "_selected_action": [order.pk]}
    assert "the money stays" in text(client.post("/admin/store/order/", act))
    text(client.post("/admin/store/order/", {**act, "confirmed": "yes"}, follow=True))
    order.refresh_from_db()
    assert order.status == Order.Status.CANCELLED
    page = text(client.post("/admin/store/order/", {**act, "confirmed": "yes"}, follow=True))
    assert "nothing to cancel" in page


def test_the_office_refunds_one_line(log_in: LogIn, buy: Buy) -> None:
    order = buy("RB-BND-101", "RB-BOOK-07")
    course, book = order.lines.all()
    client = log_in("staff@example.org")
    path = f"/admin/store/order/{order.pk}/refund/"
    assert text(client.get(f"{path}?line={book.pk}")).count(" checked") == 1
    assert "No line was chosen" in text(client.post(path, follow=True))
    assert "$42.00 refunded" in text(client.post(path, {"line": [book.pk]}, follow=True))
    book.refresh_from_db()
    course.refresh_from_db()
    assert book.refunded_at is not None
    assert course.refunded_at is None


def test_who_may_not_refund_cannot(log_in: LogIn, buy: Buy) -> None:
    order = buy("RB-BND-101")
    Member.objects.filter(email="zoe@example.org").update(is_staff=True)
    client = log_in("zoe@example.org")
    path = f"/admin/store/order/{order.pk}/refund/"
    assert client.get(path).status_code == client.post(path, {"line": ["1"]}).status_code == 403


def test_the_office_names_a_learner(log_in: LogIn, buy: Buy) -> None:
    order = buy(("RB-BND-101", 2))
    client = log_in("staff@example.org")
    data = {
        "lines-TOTAL_FORMS": "0", "lines-INITIAL_FORMS": "0",
        "payments-TOTAL_FORMS": "0", "payments-INITIAL_FORMS": "0",
        "attendees-TOTAL_FORMS": "1", "attendees-INITIAL_FORMS": "0",
        "attendees-0-order": order.pk, "attendees-0-line": order.lines.get().pk, "attendees-0-position": "2",
        "attendees-0-first_name": "Zoë", "attendees-0-last_name": "B", "attendees-0-email": "zoe@example.org",
    }  # fmt: skip
    path = f"/admin/store/order/{order.pk}/change/"
    assert "This line has 2 places" in text(client.post(path, {**data, "attendees-0-position": "3"}))
    before = order.updated_at
    text(client.post(path, data, follow=True))
    order.refresh_from_db()
    assert order.attendees.get().member == Member.objects.get(email="zoe@example.org")
    assert order.updated_at > before


@pytest.mark.django_db(transaction=True)
def test_bought_registered_opened_refunded_cancelled(
    transactional_db: None, elevate: Any, deliver: Callable[[], int], log_in: LogIn
) -> None:
    for remote_id, title in elevate_products().items():
        elevate.add_product(remote_id, title)
    member = log_in("grace@example.org")
    for slug in ("boundary-law-certificate", "field-notes-handbook", "monument-preservation"):
        member.post(f"/products/{slug}/add/", {"quantity": 1})
    member.post("/checkout/", {"card": "ok"})
    assert deliver() == 3
    page = text(member.get("/elevate/courses/"))
    assert page.count(">Ready<") == 2
    assert "Riparian Boundaries and Moving Rivers" in page
    assert page.count(">We are on it<") == 1

    order = Order.objects.get()
    office = log_in("staff@example.org")
    act = {"action": "refund_orders", "_selected_action": [order.pk], "confirmed": "yes"}
    office.post("/admin/store/order/", act)
    deliver()
    page = text(member.get("/elevate/courses/"))
    assert page.count(">Cancelled<") == 3
