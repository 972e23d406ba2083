"""What the store sells and what was ordered. Knows nothing of Elevate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse

from example_project.members.models import Member

MOST_SEATS = 50


class Product(models.Model):
    """Something that the association sells."""

    class Kind(models.TextChoices):
        """What it is."""

        COURSE = "course", "Online course"
        WEBINAR = "webinar", "Live webinar"
        BUNDLE = "bundle", "Certificate bundle"
        BOOK = "book", "Book"

    sku = models.CharField("SKU", max_length=40, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    summary = models.CharField(max_length=250, blank=True)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.COURSE)
    price = models.DecimalField(max_digits=9, decimal_places=2, validators=[MinValueValidator(0)])
    hours = models.DecimalField(
        "professional development hours", max_digits=5, decimal_places=1, default=Decimal("0.0")
    )
    active = models.BooleanField(default=True, help_text="Inactive: no longer sold; past orders stay.")

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """The product's page in the store."""
        return reverse("store:product", args=[self.slug])

    @property
    def has_seats(self) -> bool:
        """Whether each piece is a place for a person."""
        return self.kind != self.Kind.BOOK


class Order(models.Model):
    """An order; while it is open it is the member's cart."""

    class Status(models.TextChoices):
        """Where the order stands."""

        OPEN = "open", "Cart"
        PAID = "paid", "Paid"
        REFUNDED = "refunded", "Refunded"
        CANCELLED = "cancelled", "Cancelled"

    member = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders")
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN, db_index=True)
    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("0.00"))
    placed_at = models.DateTimeField("placed", null=True, blank=True)
    created_at = models.DateTimeField("created", auto_now_add=True)
    updated_at = models.DateTimeField("changed", auto_now=True, db_index=True)

    class Meta:
        ordering = ["-pk"]
        permissions = [("refund_order", "Can refund and cancel orders")]

    def __str__(self) -> str:
        return f"Order {self.pk}"

    def get_absolute_url(self) -> str:
        """The buyer's page of the order."""
        return reverse("store:order", args=[self.pk])


class OrderLine(models.Model):
    """One product in an order. Key, title and price are copied, so that they outlive the product."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(
        Product, on_delete=models.SET_NULL, null=True, blank=True, related_name="lines"
    )
    sku = models.CharField("SKU", max_length=40)
    title = models.CharField(max_length=200)
    has_seats = models.BooleanField(default=True)
    price = models.DecimalField(max_digits=9, decimal_places=2)
    quantity = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_SEATS)]
    )
    amount = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        default=Decimal("0.00"),
        help_text="For the whole line, less the group rate.",
    )
    amount_refunded = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("0.00"))
    refunded_at = models.DateTimeField("refunded", null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.title if self.quantity == 1 else f"{self.quantity} × {self.title}"  # noqa: RUF001


class LineAttendee(models.Model):
    """The person named for one place in a line. Without one, the buyer has the first place and the others wait.

    A person with a member's e-mail address is that member. Others have no member number, so Elevate could not know
    them at the single sign-on: their places are held until they join.
    """

    # Named here too: a change of a place says which order it concerns without asking the database.
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="attendees")
    line = models.ForeignKey(OrderLine, on_delete=models.CASCADE, related_name="attendees")
    position = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SEATS)], help_text="The first place is 1."
    )
    first_name = models.CharField(max_length=100)
    last_name = models.CharField(max_length=100)
    email = models.EmailField("e-mail")
    member = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="places",
    )

    class Meta:
        ordering = ["line", "position"]
        constraints = [
            models.UniqueConstraint(fields=["line", "position"], name="store_one_person_per_place")
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Find out whether the person is a member."""
        self.order_id = self.line.order_id
        self.email = self.email.strip().lower()
        self.member = Member.objects.with_email(self.email)
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Ask for a place that the line has."""
        if self.line_id and self.position and self.position > self.line.quantity:
            raise ValidationError({"position": f"This line has {self.line.quantity} places."})


class Payment(models.Model):
    """Money that came in (positive) or went back (negative). Pretended: no card is ever asked for."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    made_at = models.DateTimeField("made", auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.amount} for order {self.order_id}"
