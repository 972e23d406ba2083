"""What can happen to an order, and what must stand at Elevate afterwards. Orders go through the store's own code.

Each scenario has a member of its own, so that what Elevate holds can be told apart by user ID.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from elevate_integration.sync import sync_order
from example_project.members.models import Member
from example_project.store import services
from example_project.store.catalogue import PASSWORD
from example_project.store.models import Order, Product

COURSE, OTHER, FREE = "RB-BND-101", "RB-GNSS-210", "RB-ETH-001"
BUNDLE, UNMAPPED, UNKNOWN = "RB-CERT-BL", "RB-LIDAR-220", "RB-MON-300"


@dataclass(frozen=True)
class Held:
    """One registration as Elevate must hold it."""

    product: str
    amount: str
    cancelled: bool = False


class Stage:
    """The shop from the point of view of one scenario: its member, and the orders he places."""

    def __init__(self, number: int, deliver: Callable[[], object]) -> None:
        self.member = self.join(number)
        self.orders: list[str] = []
        self.deliver = deliver

    @staticmethod
    def join(number: int) -> Member:
        """Make an invented member."""
        return Member.objects.create_user(
            f"member{number}@example.org",
            PASSWORD,
            first_name="Sam",
            last_name=f"Sample {number}",
            member_number=f"D-{number:04}",
        )

    def buy(self, *skus: str, quantity: int = 1, card_ok: bool = True) -> Order:
        """Fill a cart and pay."""
        for sku in skus:
            cart = services.add_to_cart(self.member, Product.objects.get(sku=sku), quantity)
        self.orders.append(str(cart.pk))
        services.checkout(cart, card_ok=card_ok)
        return cart


@dataclass(frozen=True)
class Scenario:
    """A story, the statuses it must end in, and what Elevate must hold. `unmapped`: unmapped sales to be listed."""

    title: str
    play: Callable[[Stage], None]
    ours: tuple[str, ...] = ()
    theirs: tuple[Held, ...] = ()
    unmapped: int = 0
    says: str = ""


def two_courses(stage: Stage) -> None:
    stage.buy(COURSE, OTHER)


def free_course(stage: Stage) -> None:
    stage.buy(FREE)


def bought_then_refunded(stage: Stage) -> None:
    order = stage.buy(COURSE)
    stage.deliver()
    services.refund(order)


def refunded_before_delivery(stage: Stage) -> None:
    order = stage.buy(COURSE)
    sync_order(order.pk)
    services.refund(order)


def one_of_two_lines_refunded(stage: Stage) -> None:
    order = stage.buy(COURSE, OTHER)
    stage.deliver()
    services.refund(order, order.lines.filter(sku=OTHER))


def bundle(stage: Stage) -> None:
    stage.buy(BUNDLE)


def five_seats(stage: Stage) -> None:
    colleague = stage.join(900)
    cart = services.add_to_cart(stage.member, Product.objects.get(sku=COURSE), 5)
    stage.orders.append(str(cart.pk))
    services.name_seat(
        cart.lines.get(),
        2,
        first_name=colleague.first_name,
        last_name=colleague.last_name,
        email=colleague.email,
    )
    services.checkout(cart)


def without_mapping(stage: Stage) -> None:
    stage.buy(UNMAPPED)


def unknown_to_elevate(stage: Stage) -> None:
    stage.buy(UNKNOWN)


def bought_twice(stage: Stage) -> None:
    first = stage.buy(COURSE)
    stage.buy(COURSE)
    stage.deliver()
    services.refund(first)


def rolled_back(stage: Stage) -> None:
    try:
        stage.buy(COURSE, card_ok=False)
    except services.CardDeclinedError:
        return
    raise AssertionError("the card was to be declined")


def scenarios(products: dict[str, tuple[str, ...]], prices: dict[str, str]) -> list[Scenario]:
    """Give all stories. products: SKU to Remote Product IDs; prices: SKU to what one piece costs."""

    def at(sku: str, *, amount: str | None = None, cancelled: bool = False) -> Held:
        return Held(products[sku][0], prices[sku] if amount is None else amount, cancelled)

    first, second = products[BUNDLE]
    share = str(services.line_amount(Product.objects.get(sku=COURSE).price, 5) / 5)
    return [
        Scenario(
            "Member buys two courses",
            two_courses,
            ("registered", "registered"),
            (at(COURSE), at(OTHER)),
        ),
        Scenario("A free course", free_course, ("registered",), (at(FREE),)),
        Scenario(
            "Bought, then refunded", bought_then_refunded, ("cancelled",), (at(COURSE, cancelled=True),)
        ),
        Scenario("Bought and refunded before delivery", refunded_before_delivery, ("withdrawn",)),
        Scenario(
            "Refunded one of two lines",
            one_of_two_lines_refunded,
            ("registered", "cancelled"),
            (at(COURSE), at(OTHER, cancelled=True)),
        ),
        Scenario(
            "A bundle of two Elevate products",
            bundle,
            ("registered", "registered"),
            (Held(first, prices[BUNDLE]), Held(second, "0.00")),
        ),
        Scenario(
            "Five seats, two named",
            five_seats,
            ("registered", "registered", "held", "held", "held"),
            (at(COURSE, amount=share), at(COURSE, amount=share)),
        ),
        Scenario("A product without mapping", without_mapping, unmapped=1),
        Scenario(
            "A product Elevate does not know",
            unknown_to_elevate,
            ("refused",),
            says="The requested product could not be found.",
        ),
        Scenario(
            "The same course bought twice, one refunded",
            bought_twice,
            ("covered", "registered"),
            (at(COURSE), at(COURSE)),
        ),
        Scenario("The checkout rolled back", rolled_back),
    ]
