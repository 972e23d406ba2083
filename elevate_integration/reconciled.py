"""The memory of the comparison with Elevate's report: which days were read, what differs, what staff decided.

A difference is never acted on by itself. What is no longer true when its day is read again is closed with the day.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from elevate_integration.fields import ReferenceField


class ReportState(models.Model):
    """One row for each Elevate site: who is comparing now, and what was found out about the report's IDs.

    A doubt is told in one sentence; while there is one, nothing is proved until staff say that it counts no more.
    """

    site = models.CharField(_("Elevate site"), max_length=200, unique=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    scheduled_at = models.DateTimeField(_("last nightly comparison"), null=True)
    # Days that were read before count nothing for the proof: staff began it anew.
    proof_since = models.DateTimeField(_("proof begun"), null=True)
    ids_doubt = models.TextField(_("why the report's ID is not the registration ID"), blank=True)
    members_doubt = models.TextField(_("why the report's member is not the user ID"), blank=True)

    class Meta:
        verbose_name = _("state of the comparison")
        verbose_name_plural = _("states of the comparison")
        default_permissions = ()

    def __str__(self) -> str:
        return f"comparison with {self.site}"


class ReconciledDay(models.Model):
    """One day of an Elevate site's report and how the comparison with it went."""

    class State(models.TextChoices):
        """Whether the day could be read."""

        READ = "read", _("read")
        UNREAD = "unread", _("could not be read")

    site = models.CharField(_("Elevate site"), max_length=200)
    day = models.DateField(_("day"))
    state = models.CharField(_("state"), max_length=10, choices=State)
    # Without the days beside it, nothing of ours can be called missing there: the site's time zone is not known.
    whole = models.BooleanField(_("with the days beside it"), default=False)
    message = models.TextField(_("what happened"), blank=True)
    read_at = models.DateTimeField(_("last read"))
    here = models.PositiveIntegerField(_("registrations here"), default=0)
    there = models.PositiveIntegerField(_("registrations at Elevate"), default=0)
    # Of products that no mapping names: sold by Elevate itself, free, or not ours.
    others = models.PositiveIntegerField(_("of other products"), default=0)
    settled = models.PositiveIntegerField(_("settled"), default=0)
    ids_equal = models.PositiveIntegerField(default=0)
    ids_differ = models.PositiveIntegerField(default=0)
    members_equal = models.PositiveIntegerField(default=0)
    members_differ = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("compared day")
        verbose_name_plural = _("days compared with Elevate")
        default_permissions = ("view",)
        permissions = [("compare_day", "Can compare a day with Elevate's report")]
        constraints = [models.UniqueConstraint(fields=["site", "day"], name="elevate_day_unique")]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}: {self.state}"


class DiscrepancyQuerySet(QuerySet):
    """Differences with Elevate's report."""

    def waiting(self) -> DiscrepancyQuerySet:
        """Give those that are still true and about which nobody has decided."""
        return self.filter(decision="open", closed_at=None)


class Discrepancy(models.Model):
    """One difference between our rows and Elevate's report, for staff to decide."""

    class Kind(models.TextChoices):
        """What differs."""

        ONLY_HERE = "only_here", _("here and not there")
        ONLY_THERE = "only_there", _("there and not here")
        TWICE = "twice", _("twice there")
        AMOUNT = "amount", _("amounts differ")
        FOUND = "found", _("answer lost, and probably there")
        NOT_FOUND = "not_found", _("answer lost, and not there")

    class Decision(models.TextChoices):
        """What staff decided. A difference that was put right and is seen again is open again."""

        OPEN = "open", _("open")
        EXPECTED = "expected", _("right as it is")
        MENDED = "mended", _("put right")

    day = models.ForeignKey(
        ReconciledDay, on_delete=models.CASCADE, related_name="discrepancies", verbose_name=_("day")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    # What it is about, so that the day read again updates the row: our row, the line's ID, or a digest of the line.
    subject = ReferenceField(max_length=150, editable=False)
    registration = models.ForeignKey(
        "elevate_integration.Registration",
        on_delete=models.CASCADE,
        null=True,
        related_name="discrepancies",
        verbose_name=_("registration"),
    )
    report_id = ReferenceField(_("ID in the report"), max_length=64, blank=True)
    # As Elevate wrote it, in the time zone of its site, which is not known.
    transaction_at = models.CharField(_("time at Elevate"), max_length=19, blank=True)
    remote_product_id = ReferenceField(_("Remote Product ID"), max_length=150, blank=True)
    product_title = models.CharField(_("product"), max_length=300, blank=True)
    # Personal data: filled only where there is no registration of ours to look at.
    remote_user_id = ReferenceField(_("user ID at Elevate"), max_length=190, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    amount_here = models.DecimalField(_("amount sent"), max_digits=12, decimal_places=2, null=True)
    amount_there = models.DecimalField(_("amount at Elevate"), max_digits=12, decimal_places=2, null=True)
    count_here = models.PositiveIntegerField(_("number here"), null=True)
    count_there = models.PositiveIntegerField(_("number at Elevate"), null=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    closed_at = models.DateTimeField(_("no longer true since"), null=True)
    decision = models.CharField(_("decision"), max_length=10, choices=Decision, default=Decision.OPEN)
    note = models.TextField(_("note"), blank=True)
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True)

    objects = DiscrepancyQuerySet.as_manager()

    class Meta:
        verbose_name = _("difference with Elevate")
        verbose_name_plural = _("differences with Elevate")
        default_permissions = ("view",)
        permissions = [("decide_discrepancy", "Can decide about differences with Elevate")]
        constraints = [
            models.UniqueConstraint(fields=["day", "kind", "subject"], name="elevate_discrepancy_unique")
        ]
        indexes = [
            # What waits is little among what was decided or has closed.
            models.Index(
                fields=["kind", "-id"],
                name="elevate_discrepancy_open",
                condition=Q(decision="open", closed_at__isnull=True),
            ),
            models.Index(fields=["email"], name="elevate_discrepancy_email", condition=~Q(email="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} on {self.day.day:%Y-%m-%d}"
