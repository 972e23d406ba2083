"""The memory: what is mapped, what was marked, what we want, what Elevate has, and every call ever made.

All references into the host are text: any primary key will do, and nothing of ours breaks when a host row goes.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from django.db import models, router
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

# Django looks for tables here.
import elevate_integration.reconciled  # noqa: F401
from elevate_integration.fields import ReferenceField
from elevate_integration.lifecycle import AtElevate, Obstacle, Operation, Outcome, State, Status
from elevate_integration.querysets import (
    MappingQuerySet,
    MarkQuerySet,
    RegistrationQuerySet,
    UnmappedSaleQuerySet,
)
from elevate_integration.stand_in import is_stand_in, stand_ins
from elevate_integration.wishes import FORGOTTEN

# As many of the longest IDs as `duplicate_ids` has room for.
_DUPLICATES = 9


class ProductMapping(models.Model):
    """Which Elevate product a host product is, or that it is none. Deactivated rather than deleted."""

    product_key = ReferenceField(_("product"), max_length=150, help_text=_("The product's key in the store."))
    product_title = models.CharField(_("title in the store"), max_length=300, blank=True)
    remote_product_id = ReferenceField(
        _("Remote Product ID"),
        max_length=150,
        blank=True,
        help_text=_("The same text as in the field “Remote Product ID” of the product in Elevate."),
    )
    remote_registration_url = models.URLField(
        _("Remote Registration URL"),
        max_length=500,
        blank=True,
        help_text=_("Where Elevate's “Register” button sends a visitor; typed into the product in Elevate."),
    )
    active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Inactive: new sales are not registered; nothing is cancelled."),
    )
    not_for_elevate = models.BooleanField(
        _("not for Elevate"), default=False, help_text=_("This product has no course in Elevate.")
    )
    send_email = models.BooleanField(
        _("e-mail from Elevate"),
        null=True,
        blank=True,
        help_text=_("Whether Elevate mails the learner. Unknown: as the settings say."),
    )
    url_checked_at = models.DateTimeField(_("address checked"), null=True, editable=False)
    url_problem = models.CharField(
        _("what is wrong with the address"), max_length=40, blank=True, editable=False
    )
    url_failing_since = models.DateTimeField(_("address failing since"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = MappingQuerySet.as_manager()

    class Meta:
        verbose_name = _("product mapping")
        verbose_name_plural = _("product mappings")
        constraints = [
            models.UniqueConstraint(
                fields=["product_key", "remote_product_id"],
                name="elevate_mapping_unique",
                violation_error_message=_("This product is already mapped to this Remote Product ID."),
            )
        ]
        permissions = [("map_product", "Can map products to Elevate")]

    def __str__(self) -> str:
        if self.not_for_elevate:
            return f"{self.product_title or self.product_key} (not for Elevate)"
        return f"{self.product_title or self.product_key} → {self.remote_product_id}"

    @property
    def sells(self) -> bool:
        """Whether a new sale of the product makes a registration."""
        return self.active and not self.not_for_elevate

    def forget_address_check(self) -> None:
        """Forget whether the address answers, as it is another one now. Saves nothing."""
        self.url_checked_at = self.url_failing_since = None
        self.url_problem = ""


class OrderMark(models.Model):
    """Look at this order again. Append-only: written in the host's transaction, deleted by the sync that read it."""

    order_ref = ReferenceField(max_length=150, db_index=True)
    due_at = models.DateTimeField(db_index=True)
    quiet = models.BooleanField(default=False)

    objects = MarkQuerySet.as_manager()

    class Meta:
        verbose_name = _("order mark")
        verbose_name_plural = _("order marks")
        default_permissions = ()

    def __str__(self) -> str:
        return f"order {self.order_ref}"


class TrackedOrder(models.Model):
    """An order that was looked at. Its row is locked before the order is read, so that syncs never interleave."""

    order_ref = ReferenceField(_("order"), max_length=150, unique=True)
    first_synced_at = models.DateTimeField(_("first read"), null=True)
    last_error = models.TextField(_("last error"), blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    failed_at = models.DateTimeField(_("failing since"), null=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        default_permissions = ("view",)
        permissions = [("resync_order", "Can resync orders")]
        indexes = [
            models.Index(
                fields=["failed_at"], name="elevate_order_failed", condition=Q(failed_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.order_ref


class UnmappedSale(models.Model):
    """A sold seat whose product has no mapping: somebody paid, and nobody was registered."""

    class Decision(models.TextChoices):
        """What staff decided."""

        OPEN = "open", _("open")
        APPLY = "apply", _("to be registered")
        LEFT = "left", _("left as it is")

    order_ref = ReferenceField(_("order"), max_length=150)
    seat_key = ReferenceField(_("order line"), max_length=150)
    product_keys = models.TextField(_("product keys"))
    product_title = models.CharField(_("product"), max_length=300, blank=True)
    decision = models.CharField(_("decision"), max_length=10, choices=Decision, default=Decision.OPEN)
    seen_at = models.DateTimeField(_("seen"), auto_now_add=True)

    objects = UnmappedSaleQuerySet.as_manager()

    class Meta:
        verbose_name = _("unmapped sale")
        verbose_name_plural = _("unmapped sales")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["order_ref", "seat_key"], name="elevate_unmapped_unique")
        ]
        indexes = [models.Index(fields=["decision"], name="elevate_unmapped_decision")]

    def __str__(self) -> str:
        return f"{self.product_title or self.keys[0]} in order {self.order_ref}"

    @property
    def keys(self) -> list[str]:
        """The product keys, the most specific first."""
        return self.product_keys.strip("\n").split("\n")

    @staticmethod
    def pack(keys: tuple[str, ...]) -> str:
        """Write product keys so that `of_product` finds each of them."""
        return "\n" + "\n".join(keys) + "\n"


class SeatAssignment(models.Model):
    """Whom the buyer or staff named for a seat that the order names nobody for. The host's own naming goes before."""

    order_ref = ReferenceField(_("order"), max_length=150)
    seat_key = ReferenceField(_("order line"), max_length=150)
    first_name = models.CharField(_("first name"), max_length=200, blank=True)
    last_name = models.CharField(_("last name"), max_length=200, blank=True)
    email = models.EmailField(_("e-mail"), max_length=254)
    # The name of a log-in; empty: whoever had the buyer's link.
    entered_by = models.CharField(_("entered by"), max_length=150, blank=True)
    entered_at = models.DateTimeField(_("entered"), auto_now=True)

    class Meta:
        verbose_name = _("named learner")
        verbose_name_plural = _("named learners")
        default_permissions = ()
        permissions = [("name_learner", "Can name the learners of seats")]
        constraints = [
            models.UniqueConstraint(fields=["order_ref", "seat_key"], name="elevate_assignment_unique")
        ]

    def __str__(self) -> str:
        return f"seat {self.seat_key} of order {self.order_ref}"


class Registration(models.Model):
    """One learner's registration for one Elevate product: our wish, Elevate's fact, and the outbox in one row."""

    order_ref = ReferenceField(_("order"), max_length=150)
    seat_key = ReferenceField(_("order line"), max_length=150)
    mapping = models.ForeignKey(
        ProductMapping,
        on_delete=models.PROTECT,
        # The index below on mapping and date takes its place.
        db_index=False,
        related_name="registrations",
        verbose_name=_("product mapping"),
    )
    remote_product_id = ReferenceField(_("Remote Product ID"), max_length=150)
    learner_key = ReferenceField(max_length=270, blank=True)

    remote_user_id = ReferenceField(_("user ID at Elevate"), max_length=190, blank=True)
    firstname = models.CharField(_("first name"), max_length=500, blank=True)
    lastname = models.CharField(_("last name"), max_length=500, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    email_key = models.CharField(max_length=254, blank=True, editable=False)
    amount_paid = models.DecimalField(_("amount paid"), max_digits=12, decimal_places=2, null=True)
    # Set only while it differs from what Elevate was told, since Elevate cannot be told again.
    amount_now = models.DecimalField(_("amount in the store now"), max_digits=12, decimal_places=2, null=True)
    product_title = models.CharField(_("product"), max_length=300, blank=True)

    wanted = models.BooleanField(default=True)
    at_elevate = models.CharField(
        max_length=10, choices=[(v, v) for v in AtElevate], default=AtElevate.ABSENT
    )
    obstacle = models.CharField(
        max_length=16, choices=[(v, v) for v in Obstacle], blank=True, default=Obstacle.NONE
    )
    status = models.CharField(_("status"), max_length=16, default=Status.PENDING)
    problems = models.CharField(max_length=200, blank=True)
    error_messages = models.JSONField(_("what Elevate said"), default=list, blank=True)

    seat_active = models.BooleanField(default=True)
    missing = models.BooleanField(default=False)
    confirmed = models.BooleanField(default=False)
    unwanted_at = models.DateTimeField(null=True)
    doubts = models.PositiveSmallIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    staff_cancelled = models.BooleanField(default=False)
    cancel_details = models.JSONField(null=True)
    brake_released = models.BooleanField(default=False)
    braked_at = models.DateTimeField(null=True)
    identity_checked = models.BooleanField(default=False)
    other_user_id = ReferenceField(_("user ID now given by the store"), max_length=190, blank=True)

    due_at = models.DateTimeField(_("due"), null=True)
    claim_token = models.UUIDField(null=True)
    claimed_for = models.CharField(max_length=10, blank=True)
    trigger = models.CharField(max_length=20, default="mark")
    actor = models.CharField(max_length=150, blank=True)

    registration_id = ReferenceField(_("registration ID"), max_length=64, blank=True)
    id_is_number = models.BooleanField(default=True)
    product_url = models.CharField(_("product's page at Elevate"), max_length=500, blank=True)
    # Other IDs that Elevate answered for this seat, one a line; NULL for almost every row, which keeps the index small.
    duplicate_ids = models.CharField(max_length=600, null=True, editable=False)
    site = models.CharField(_("Elevate site"), max_length=200, blank=True)
    registered_at = models.DateTimeField(_("registered"), null=True)
    cancelled_at = models.DateTimeField(_("cancelled"), null=True)
    # Since when names and addresses are gone. An erased learner's keys are stand-ins besides, see `stand_in`.
    forgotten_at = models.DateTimeField(_("forgotten"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    # The database's clock, on rows that delivery has asked for with it.
    db_now: datetime
    # What the database calls the row as a claim wrote it; empty where it was not asked. See `bulk.Changes`.
    version = ""

    objects = RegistrationQuerySet.as_manager()

    class Meta:
        verbose_name = _("registration")
        verbose_name_plural = _("registrations")
        default_permissions = ("view",)
        permissions = [
            ("retry_registration", "Can retry registrations"),
            ("cancel_registration", "Can cancel registrations"),
            ("forget_member", "Can forget a member on request"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["order_ref", "seat_key", "remote_product_id", "learner_key"],
                name="elevate_registration_unique",
            )
        ]
        indexes = [
            # A partial index on a status value falls back to a scan under a generic plan; this one does not.
            # With the key, by which rows of one time are taken in turn: without it each claim would sort them all.
            models.Index(
                fields=["due_at", "id"], name="elevate_registration_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(fields=["learner_key", "remote_product_id"], name="elevate_registration_learner"),
            models.Index(fields=["email_key"], name="elevate_registration_email"),
            models.Index(fields=["status", "-id"], name="elevate_registration_status"),
            models.Index(fields=["registered_at"], name="elevate_registration_done"),
            # What staff search and filter by, and what tells whether an ID is known here already.
            models.Index(fields=["registration_id"], name="elevate_registration_id"),
            models.Index(fields=["lastname"], name="elevate_registration_name"),
            models.Index(fields=["created_at"], name="elevate_registration_made"),
            # How many a product has, and the latest: without reading the rows.
            models.Index(fields=["mapping", "registered_at"], name="elevate_registration_mapping"),
            models.Index(
                fields=["braked_at"], name="elevate_registration_brake", condition=Q(braked_at__isnull=False)
            ),
            models.Index(fields=["-id"], name="elevate_registration_renamed", condition=~Q(other_user_id="")),
            models.Index(
                fields=["-id"], name="elevate_registration_double", condition=Q(duplicate_ids__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"registration {self.pk} of order {self.order_ref}"

    @property
    def state(self) -> State:
        """The wish and the fact as the pure functions of `lifecycle` read them."""
        return State(
            wanted=self.wanted,
            at_elevate=AtElevate(self.at_elevate),
            obstacle=Obstacle(self.obstacle),
            was_there=self.registered_at is not None,
            confirmed=self.confirmed,
            doubts=self.doubts,
            in_flight=self.claim_token is not None,
        )

    def twin(self) -> Registration:
        """Give another object with the same values: what is done to it leaves this one alone."""
        twin = Registration.__new__(Registration)
        twin.__dict__.update(self.__dict__)
        return twin

    @property
    def pair(self) -> tuple[str, str]:
        """Who has which product: registrations of one pair cover each other."""
        return self.learner_key, self.remote_product_id

    @property
    def erased(self) -> bool:
        """Whether it is no longer known whose this is, since the learner was forgotten on request."""
        return is_stand_in(self.learner_key)

    @property
    def misses_details(self) -> bool:
        """Whether it is held since its details were forgotten, and goes on once its order has been read."""
        return self.obstacle == Obstacle.INCOMPLETE and self.problems == FORGOTTEN

    def is_of(self, learner_key: str) -> bool:
        """Tell whether this is the registration of a learner, forgotten or not."""
        return learner_key == self.learner_key or (self.erased and self.learner_key in stand_ins(learner_key))

    def has_email(self, email_key: str) -> bool:
        """Tell whether the learner has an e-mail address, forgotten or not."""
        return email_key == self.email_key or (
            is_stand_in(self.email_key) and self.email_key in stand_ins(email_key)
        )

    def put(self, state: State) -> None:
        """Take over a state. Saves nothing and leaves `due_at` to the caller.

        What was forgotten cannot be sent: it is held until sync has read the details from the order again.
        """
        if self.forgotten_at is not None and state.next_operation is Operation.REGISTER:
            state = replace(state, obstacle=Obstacle.INCOMPLETE)
            self.problems = FORGOTTEN
        self.wanted = state.wanted
        self.at_elevate = state.at_elevate
        self.obstacle = state.obstacle
        self.confirmed = state.confirmed
        self.doubts = state.doubts
        self.status = state.status

    @property
    def duplicates(self) -> list[str]:
        """The other IDs that Elevate answered for this seat and that nobody has had cancelled yet."""
        return self.duplicate_ids.split("\n") if self.duplicate_ids else []

    def note_duplicate(self, registration_id: str) -> None:
        """Remember another ID of this seat at Elevate, unless it is the row's own. Saves nothing."""
        if registration_id and registration_id not in (self.registration_id, *self.duplicates):
            self._keep_duplicates([*self.duplicates, registration_id])

    def forget_duplicate(self, registration_id: str) -> None:
        """Forget one of them. Saves nothing."""
        self._keep_duplicates([known for known in self.duplicates if known != registration_id])

    def _keep_duplicates(self, ids: list[str]) -> None:
        self.duplicate_ids = "\n".join(ids[-_DUPLICATES:]) or None

    @property
    def touched(self) -> bool:
        """Whether anything may have reached Elevate; until then the row follows order and mapping."""
        return (
            self.at_elevate != AtElevate.ABSENT
            or self.registered_at is not None
            or self.claim_token is not None
        )


class Attempt(models.Model):
    """One call to Elevate and its answer. Never edited; may be pruned."""

    registration = models.ForeignKey(
        Registration, on_delete=models.CASCADE, related_name="attempts", verbose_name=_("registration")
    )
    claim_token = models.UUIDField(default=uuid.uuid4)
    operation = models.CharField(_("operation"), max_length=10, choices=[(v, v) for v in Operation])
    trigger = models.CharField(_("asked for by"), max_length=20, blank=True)
    actor = models.CharField(_("person"), max_length=150, blank=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"))
    duration = models.FloatField(_("seconds"), null=True)
    sent = models.JSONField(_("sent, without the key"), default=dict)
    status_code = models.PositiveSmallIntegerField(_("HTTP status"), null=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=[(v, v) for v in Outcome])
    messages = models.JSONField(_("what Elevate said"), default=list)
    answered_id = ReferenceField(_("registration ID in the answer"), max_length=64, blank=True)
    body = models.TextField(_("answer"), blank=True)
    note = models.TextField(_("what happened"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        default_permissions = ("view",)
        ordering = ["-id"]
        indexes = [
            # Refusals are few among many calls. MySQL and MariaDB go by the registration alone.
            models.Index(
                fields=["registration"],
                name="elevate_attempt_refused",
                condition=Q(outcome=Outcome.REFUSED.value),
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation}: {self.outcome}"


class DeliveryState(models.Model):
    """The state of delivery as a whole: one row, made on first use."""

    paused = models.BooleanField(_("paused"), default=False)
    paused_by = models.CharField(_("paused by"), max_length=150, blank=True)
    paused_at = models.DateTimeField(_("paused since"), null=True)
    gate = models.CharField(_("waiting because"), max_length=20, blank=True)
    gate_message = models.TextField(_("what happened"), blank=True)
    gate_since = models.DateTimeField(_("waiting since"), null=True)
    probe_at = models.DateTimeField(_("next probe"), null=True)
    failures = models.PositiveIntegerField(default=0)
    alarm = models.TextField(_("alarm"), blank=True)
    alarm_at = models.DateTimeField(_("alarm since"), null=True)
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True)
    sweep_due_at = models.DateTimeField(null=True)
    sweep_since = models.DateTimeField(_("last sweep"), null=True)
    sweep_position = models.BigIntegerField(default=0)
    digest_at = models.DateTimeField(_("last digest"), null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("delivery")
        default_permissions = ("view",)
        permissions = [("pause_delivery", "Can pause delivery and let parked cancels go")]

    def __str__(self) -> str:
        return "paused" if self.paused else self.gate or "running"


def database() -> str:
    """Give the alias of the database that holds our tables; sync and delivery read where they write."""
    return router.db_for_write(Registration)
