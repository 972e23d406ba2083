"""The data of the documentation's pictures: two days of a small shop, with one example of each kind of trouble."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import cycle
from typing import Any

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import call_command
from django.core.signals import setting_changed
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.models import (
    Attempt,
    DeliveryState,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
)
from elevate_integration.reconcile.run import reconcile
from elevate_integration.reconciled import Discrepancy, ReconciledDay, ReportState
from elevate_integration.staff import comparing
from elevate_integration.testing import FakeElevate
from elevate_integration.testing.rules import CANCEL_PATH
from example_project.demo.proof import deliver
from example_project.demo.scenarios import BUNDLE, COURSE, FREE, OTHER, UNKNOWN, UNMAPPED
from example_project.members.models import Member
from example_project.store import services
from example_project.store.catalogue import PASSWORD, STAFF_EMAIL, elevate_products, load_demo
from example_project.store.models import Order, Payment, Product

LIVE = "RB-WEB-0312"
KEY = "demo-key"
ELEVATE = "https://learn.example.org"
FIRST = (
    "Nora",
    "Samuel",
    "Ines",
    "Oskar",
    "Priya",
    "Callum",
    "Mei",
    "Jonas",
    "Amara",
    "Luc",
    "Dana",
    "Felix",
)
LAST = (
    "Abel",
    "Brandt",
    "Castell",
    "Dorsey",
    "Engel",
    "Farrow",
    "Grant",
    "Hale",
    "Ilves",
    "Jansen",
    "Kovac",
)
HOUR = timedelta(hours=1)


@contextmanager
def fill() -> Iterator[dict[str, Any]]:
    """Fill the database while a fake Elevate runs, and give what the pictures are of."""
    call_command("migrate", verbosity=0, interactive=False)
    load_demo()
    with FakeElevate(api_key=KEY, products=()) as elevate:
        for product_id, title in elevate_products().items():
            elevate.add_product(product_id, title)
        _set(URL=elevate.url, API_KEY=KEY, CANCEL_GRACE=0.2)
        shown = _Shop(elevate).open()
        _rename(elevate.url)
        yield shown


def _set(**changes: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, **changes}
    setting_changed.send(sender=fill, setting="ELEVATE", value=settings.ELEVATE, enter=True)


def _rename(url: str) -> None:
    """Call the fake what a reader expects to see."""
    _set(URL=ELEVATE)
    for row in Registration.objects.all():
        row.site, row.product_url = row.site.replace(url, ELEVATE), row.product_url.replace(url, ELEVATE)
        row.save(update_fields=["site", "product_url"])
    for model in (ReconciledDay, ReportState):
        model._default_manager.filter(site=url).update(site=ELEVATE)


class _Shop:
    def __init__(self, elevate: FakeElevate) -> None:
        self.elevate = elevate
        self.names = zip(cycle(FIRST), cycle(LAST), strict=False)
        self.joined = 0
        self.office = Member.objects.get(email=STAFF_EMAIL)

    def join(self) -> Member:
        """Make an invented member."""
        self.joined += 1
        first, last = next(self.names)
        return Member.objects.create_user(
            f"{first}.{last}@example.org".lower(),
            PASSWORD,
            first_name=first,
            last_name=last,
            member_number=f"RB-{2000 + self.joined}",
        )

    def buy(self, *skus: str, buyer: Member | None = None, quantity: int = 1) -> Order:
        """Place and pay an order."""
        buyer = buyer or self.join()
        for sku in skus:
            cart = services.add_to_cart(buyer, Product.objects.get(sku=sku), quantity)
        services.checkout(cart)
        return cart

    def open(self) -> dict[str, Any]:
        """Play the two days, the oldest first."""
        for skus in zip(
            range(24), cycle([(COURSE,), (FREE,), (COURSE, OTHER), (LIVE,), (BUNDLE,)]), strict=False
        ):
            self.buy(*skus[1])
        deliver()
        mended = self.mended()
        refunded = [self.buy(COURSE) for _ in range(2)]
        deliver()
        services.refund(refunded[0])
        deliver()
        self.elevate.fail(
            "refuse", path=CANCEL_PATH, message="This member has a certificate.", field="registration"
        )
        services.refund(refunded[1])
        deliver()
        for _ in range(3):
            self.buy(UNMAPPED)
        for _ in range(2):
            self.buy(UNKNOWN)
        group = self.buy(OTHER, quantity=5)
        member = self.join()
        order = self.buy(COURSE, LIVE, BUNDLE, buyer=member)
        deliver()
        self.spread()
        for number, row in enumerate(
            Registration.objects.filter(status="registered").order_by("-pk")[4:12:4]
        ):
            row.note_duplicate(str(583901 + number))
            row.save(update_fields=["duplicate_ids"])
        self.compare()
        DeliveryState.objects.update(heartbeat_at=timezone.now(), sweep_since=timezone.now() - HOUR / 4)
        return {
            "mapping": ProductMapping.objects.get(product_key=COURSE).pk,
            "registration": mended.pk,
            "registered": Registration.objects.filter(order_ref=str(order.pk), mapping__product_key=LIVE)
            .get()
            .pk,
            "order": group.pk,
            "member": member.email,
            "difference": Discrepancy.objects.filter(kind=Discrepancy.Kind.ONLY_HERE).latest("pk").pk,
        }

    def mended(self) -> Registration:
        """Sell a product that Elevate does not know yet, then set it up there and try again."""
        order = self.buy(UNKNOWN)
        deliver()
        row = Registration.objects.get(order_ref=str(order.pk))
        product = ProductMapping.objects.get(product_key=UNKNOWN).remote_product_id
        self.elevate.add_product(product, row.product_title)
        staff.retry([row.pk], actor=STAFF_EMAIL)
        self.record(row, "Retry.")
        deliver()
        self.elevate.products.pop(product)
        return row

    def compare(self) -> None:
        """Have Elevate's own staff do what staff do, and compare its report with the store."""
        there = [held.registration_id for held in self.elevate.live()]
        at = dict(Registration.objects.values_list("registration_id", "registered_at"))
        for number in there:
            if moment := at.get(str(number)):
                self.elevate.change_registration(number, registered_at=moment)
        before = timezone.now() - 30 * HOUR
        ours = [number for number in there if (moment := at.get(str(number))) and moment < before]
        self.elevate.change_registration(ours[0], hidden=True)
        first, second = self.elevate.registrations[:2]
        self.elevate.add_registration(first.remote_product_id, email="hand.made@example.org", at=before)
        self.elevate.add_registration(
            second.remote_product_id, email=second.email, remote_user_id=second.remote_user_id, at=before
        )
        today = timezone.now().date()
        self.report(today - 24 * HOUR, today - 48 * HOUR)
        self.elevate.fail("status", times=None, status=503, path="/api/reports")
        self.report(today - 120 * HOUR)
        self.elevate.clear_faults()
        twice = Discrepancy.objects.filter(kind=Discrepancy.Kind.TWICE).values_list("pk", flat=True)
        note = "Bought again in Elevate's own shop, for a colleague."
        comparing.decide(twice, Discrepancy.Decision.EXPECTED, note=note, actor=STAFF_EMAIL)

    @staticmethod
    def report(*days: date) -> None:
        """Compare these days without the waits that Elevate asks for."""
        reconcile(days, wait=lambda seconds: False)

    def record(self, row: Registration, text: str) -> None:
        """Write into the history of a row, as the pages do."""
        LogEntry.objects.log_actions(
            user_id=self.office.pk, queryset=[row], action_flag=CHANGE, change_message=text
        )

    def spread(self) -> None:
        """Move what just happened into the past, order by order, as it would lie in a real shop."""
        orders = list(Order.objects.exclude(placed_at=None).order_by("-pk"))
        for number, order in enumerate(orders):
            by = HOUR * (0.6 + number * 1.3)
            ref = str(order.pk)
            _move(Order.objects.filter(pk=order.pk), by, "placed_at", "updated_at")
            rows = Registration.objects.filter(order_ref=ref)
            pks = list(rows.values_list("pk", flat=True))
            _move(rows, by, "created_at", "registered_at", "cancelled_at", "updated_at")
            _move(Attempt.objects.filter(registration__in=pks), by, "started_at", "finished_at")
            _move(Payment.objects.filter(order=order), by, "made_at")
            _move(TrackedOrder.objects.filter(order_ref=ref), by, "first_synced_at")
            _move(UnmappedSale.objects.filter(order_ref=ref), by, "seen_at")
            _move(LogEntry.objects.filter(object_id__in=map(str, pks)), by, "action_time")


def _move(rows: Any, by: timedelta, *names: str) -> None:
    for row in rows:
        moments: dict[str, datetime | None] = {name: getattr(row, name) for name in names}
        moved = {name: at - by for name, at in moments.items() if at is not None}
        if moved:
            type(row)._default_manager.filter(pk=row.pk).update(**moved)
