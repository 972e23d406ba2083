"""The buyer's page in a real browser: through the link to the saved names, wide, narrow and in the dark.

A browser decides by the page's Referrer-Policy what it tells Django of where a form comes from; a test client does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elevate_integration import receivers
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Registration, SeatAssignment
from elevate_integration.seats import assignment_url
from example_project.members.models import Member
from example_project.store import services
from example_project.store.models import Order, Product
from tests.example_project import test_browser

opened, site, pytestmark = test_browser.opened, test_browser.site, test_browser.pytestmark


@pytest.fixture
def order(site: Any) -> Order:
    """Grace bought three places of one course."""
    cart = services.add_to_cart(Member.objects.get(email="grace@example.org"), _course(), 3)
    return services.checkout(cart)


def _course() -> Product:
    return Product.objects.get(sku="RB-BND-101")


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (360, True)])
def test_a_buyer_names_a_member_through_the_link(
    order: Order, opened: Callable[..., Any], site: Any, width: int, dark: bool
) -> None:
    receivers.connect()
    colleague = Member.objects.exclude(email="grace@example.org").filter(is_active=True).first()
    assert colleague is not None
    tab = opened(width, color_scheme="dark" if dark else "light")
    tab.goto(assignment_url(None, order.pk))
    assert test_browser.fits(tab)
    assert tab.locator("fieldset").count() == 2
    tab.get_by_label("First name").first.fill("Somebody")
    tab.get_by_role("button", name="Save").click()
    assert "Type the e-mail address too." in tab.locator("main").inner_text()
    assert test_browser.fits(tab)
    tab.get_by_label("E-mail").first.fill(colleague.email)
    tab.get_by_role("button", name="Save").click()
    tab.wait_for_url("**?saved")
    assert SeatAssignment.objects.get().email == colleague.email
    Worker(threads=2).run_once(sweeping=False)
    row = Registration.objects.get(seat_key=SeatAssignment.objects.get().seat_key)
    assert (row.status, row.firstname) == ("registered", colleague.first_name)
    tab.reload()
    assert "sent for registration" in tab.locator("fieldset").first.inner_text()
    assert tab.locator("fieldset").nth(1).get_by_label("E-mail").input_value() == ""
    assert test_browser.fits(tab)
