"""An association's Tendenci site: one course event with two prices, members, and what people do there by HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from tendenci.apps.entities.models import Entity
from tendenci.apps.events.models import Event, RegConfPricing, Registration, RegistrationConfiguration
from tendenci.apps.invoices.models import Invoice
from tendenci.apps.memberships.models import MembershipApp, MembershipDefault, MembershipSet, MembershipType
from tendenci.apps.payments.models import Payment, PaymentMethod
from tendenci.apps.profiles.models import Profile
from tendenci.apps.site_settings.models import Setting
from tendenci.apps.trainings.models import Course
from tendenci.apps.user_groups.models import Group

from elevate_integration.models import ProductMapping

ADA = ("Ada", "Sample", "ada@example.org")
BEN = ("Ben", "Test", "ben@example.org")


def person(username: str, first: str, last: str, **fields: Any) -> User:
    """Make a log-in with its profile, as Tendenci's own forms do."""
    user = User.objects.create_user(
        username, f"{username}@example.org", "x", first_name=first, last_name=last, **fields
    )
    Profile.objects.create(
        user=user, creator=user, owner=user, creator_username=username, owner_username=username
    )
    return user


def put_setting(scope: str, category: str, name: str, value: str) -> None:
    """Change a site setting as the office does on the settings page."""
    row = Setting.objects.get(scope=scope, scope_category=category, name=name)
    row.set_value(value)
    row.save()
    cache.clear()


class Site:
    """Finds what `fill` made and acts through the site's own pages."""

    @classmethod
    def fill(cls) -> None:
        """Make people, a course and its event, and map the event."""
        office = person("office", "Olga", "Office", is_superuser=True, is_staff=True)
        person("ada", "Ada", "Sample")
        person("ben", "Ben", "Test")
        course = Course.objects.create(
            name="Ethics", course_code="ETH-1", creator=office, owner=office,
            creator_username="office", owner_username="office",
        )  # fmt: skip
        cls.make_event("Ethics 101", course=course, event_code="SPRING", price="120.00")
        cls.make_event("Free Talk", price="0.00")
        ProductMapping.objects.create(
            product_key=f"event:{Event.objects.get(title='Ethics 101').pk}",
            product_title="Ethics 101",
            remote_product_id="ABCD1234",
        )
        ProductMapping.objects.create(
            product_key=f"event:{Event.objects.get(title='Free Talk').pk}",
            product_title="Free Talk",
            remote_product_id="LAW5678",
        )

        kind = cls.make_membership_type()
        ProductMapping.objects.create(
            product_key=f"membership_type:{kind.pk}",
            product_title="Regular",
            remote_product_id="MEMBER99",
        )

    @staticmethod
    def make_event(title: str, *, price: str, **fields: Any) -> Event:
        """Make an event next month that everybody may book."""
        office = User.objects.get(username="office")
        now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - Tendenci keeps naive times
        configuration = RegistrationConfiguration.objects.create(enabled=True, payment_required=False)
        configuration.payment_method.set(PaymentMethod.objects.all())
        RegConfPricing.objects.create(
            reg_conf=configuration, title="Standard", price=Decimal(price), quantity=1,
            start_dt=now - timedelta(days=30), end_dt=now + timedelta(days=30),
            allow_anonymous=True, allow_user=True, allow_member=True,
        )  # fmt: skip
        return Event.objects.create(
            title=title, start_dt=now + timedelta(days=30), end_dt=now + timedelta(days=31),
            registration_configuration=configuration, creator=office, owner=office,
            creator_username="office", owner_username="office", **fields,
        )  # fmt: skip

    @staticmethod
    def make_membership_type() -> MembershipType:
        """Make a membership for 80.00 a year."""
        office = User.objects.get(username="office")
        group = Group.objects.create(
            name="Members", slug="members", entity=Entity.objects.first(), type="membership",
            creator=office, owner=office, creator_username="office", owner_username="office",
        )  # fmt: skip
        kind = MembershipType.objects.create(
            name="Regular", price=Decimal("80.00"), renewal_price=Decimal("70.00"), group=group,
            period=1, period_unit="years", period_type="rolling", rolling_option="0", rolling_renew_option="0",
            creator=office, owner=office, creator_username="office", owner_username="office",
        )  # fmt: skip
        form = MembershipApp.objects.create(
            name="Join us", slug="join-us", status_detail="published",
            creator=office, owner=office, creator_username="office", owner_username="office",
        )  # fmt: skip
        form.membership_types.add(kind)
        return kind

    event = property(lambda self: Event.objects.get(title="Ethics 101"))
    free_event = property(lambda self: Event.objects.get(title="Free Talk"))
    office = property(lambda self: User.objects.get(username="office"))

    def client(self, username: str = "") -> Client:
        """Give a browser, logged in if a name is given."""
        browser = Client()
        if username:
            browser.force_login(
                User.objects.get(username=username), backend="django.contrib.auth.backends.ModelBackend"
            )
        return browser

    def book(
        self,
        event: Event,
        *people: tuple[str, str, str],
        by: str = "ada",
        table: RegConfPricing | None = None,
        prices: Sequence[RegConfPricing] = (),
    ) -> Registration:
        """Book seats through the site's form, both of its steps; a table is booked at one price for all.

        prices: one for each of the people; the event's first price for all of them by default.
        """
        first_price = table or event.registration_configuration.regconfpricing_set.first()
        chosen = prices or [first_price] * len(people)
        method = PaymentMethod.objects.get(machine_name="check")
        fields: dict[str, Any] = {
            "registrant-TOTAL_FORMS": len(people), "registrant-INITIAL_FORMS": 0,
            "addon-TOTAL_FORMS": 0, "addon-INITIAL_FORMS": 0,
            "payment_method": method.pk, "commit": "1", "confirmed": "1",
        }  # fmt: skip
        for number, (first, last, email) in enumerate(people):
            prefix = f"registrant-{number}"
            fields |= {
                f"{prefix}-first_name": first, f"{prefix}-last_name": last,
                f"{prefix}-email_0": email, f"{prefix}-email_1": email, f"{prefix}-pricing": chosen[number].pk,
            }  # fmt: skip
        address = reverse("event.register", args=[event.pk])
        if prices:
            # With several prices Tendenci asks first which one; the page before leads here with the answer.
            address += f"?pricing_id={chosen[0].pk}"
        if table is not None:
            address = reverse("event.register_table", args=[event.pk, table.pk])
        browser = self.client(by)
        if by:
            # A visitor would have to solve a captcha in the first step.
            asked = browser.post(address, {key: value for key, value in fields.items() if key != "confirmed"})
            assert asked.status_code == 200, asked
        before = Registration.objects.count()
        answer = browser.post(address, fields)
        assert answer.status_code == 302, _errors(answer)
        assert Registration.objects.count() == before + 1, "the form made no registration"
        return Registration.objects.order_by("pk").last()

    def pay(self, invoice: Invoice, amount: str = "") -> None:
        """Have the office mark an invoice as paid by check."""
        now = datetime.now()  # noqa: DTZ005
        answer = self.client("office").post(
            reverse("invoice.mark_as_paid", args=[invoice.pk]),
            {
                "amount": amount or str(invoice.balance), "payment_method": "check", "check_number": "17",
                "submit_dt_0": now.strftime("%Y-%m-%d"), "submit_dt_1": now.strftime("%H:%M:%S"),
            },
        )  # fmt: skip
        assert answer.status_code == 302, _errors(answer)

    def pay_by_card(self, invoice: Invoice) -> None:
        """Do what Stripe's view does after the charge: the payment first, then the invoice."""
        payment = Payment(
            invoice=invoice, amount=invoice.balance, trans_id="ch_1", status_detail="approved",
            response_code="1", response_reason_code="1", method="cc",
            creator=self.office, owner=self.office, creator_username="office", owner_username="office",
        )  # fmt: skip
        payment.refundable_amount = payment.amount
        payment.save()
        invoice.make_payment(self.office, payment.amount)

    def edit(self, booked: Registration, *people: tuple[str, str, str]) -> None:
        """Change who sits on the seats through the site's *Edit registration* form."""
        seats = list(booked.registrant_set.order_by("pk"))
        fields: dict[str, Any] = {"form-TOTAL_FORMS": len(seats), "form-INITIAL_FORMS": len(seats)}
        for number, (seat, (first, last, email)) in enumerate(zip(seats, people, strict=True)):
            fields |= {
                f"form-{number}-id": seat.pk, f"form-{number}-first_name": first,
                f"form-{number}-last_name": last, f"form-{number}-email": email,
            }  # fmt: skip
        answer = self.client("office").post(reverse("event.registration_edit", args=[booked.pk]), fields)
        assert answer.status_code == 302, _errors(answer)

    def apply(self, username: str, **fields: Any) -> MembershipDefault:
        """Leave an application as the site's form does: the membership, then its invoice."""
        membership = self._membership(username, **fields)
        membership.save()
        membership.save_invoice(status_detail="estimate")
        return membership

    def apply_together(self, *usernames: str) -> MembershipSet:
        """Leave applications that share one invoice, as the form for several people does."""
        members = [self._membership(username) for username in usernames]
        together = MembershipSet()
        together.save_invoice(members)
        for membership in members:
            membership.membership_set = together
            membership.save()
        return together

    @staticmethod
    def _membership(username: str, **fields: Any) -> MembershipDefault:
        user = User.objects.get(username=username)
        membership = MembershipDefault(
            user=user, membership_type=MembershipType.objects.get(name="Regular"),
            creator=user, owner=user, creator_username=username, owner_username=username, **fields,
        )  # fmt: skip
        membership.status_detail = "pending"
        return membership

    def approve(self, membership: MembershipDefault) -> None:
        """Have the office approve an application on its page."""
        address = reverse("membership.details", args=[membership.pk])
        assert self.client("office").get(address, {"approve": ""}).status_code in (200, 302)
        membership.refresh_from_db()
        assert membership.status_detail == "active"

    def adjust(self, invoice: Invoice, amount: str) -> None:
        """Have the office add an amount to an invoice, or take it off."""
        answer = self.client("office").post(
            reverse("invoice.adjust", args=[invoice.pk]), {"variance": amount, "variance_notes": ""}
        )
        assert answer.status_code == 302, _errors(answer)

    def void(self, invoice: Invoice) -> None:
        """Have the office void an invoice, and leave the registration as it is."""
        answer = self.client("office").post(
            reverse("invoice.void_invoice", args=[invoice.pk]), {"void_reason": "booked twice"}
        )
        assert answer.status_code == 302, _errors(answer)


def _errors(answer: Any) -> Any:
    if answer.context is None:
        return answer
    found = []
    for scope in answer.context:
        for values in scope.dicts if hasattr(scope, "dicts") else [scope]:
            for name, value in values.items():
                if getattr(value, "errors", None):
                    found.append((name, value.errors))
    return found
