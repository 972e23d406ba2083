"""Questions to our tables that read as sentences. Locking is not here but in `delivery/queue.py` and `delivery/settling.py`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import models
from django.db.models import Count, Exists, OuterRef, QuerySet

from elevate_integration.clock import DatabaseNow
from elevate_integration.lifecycle import Obstacle, Status

# The statuses in which a row that is not due waits for a person. A cancel does where the brake holds it back.
TROUBLED = (Status.HELD, Status.REFUSED, Status.UNCONFIRMED, Status.CANCEL_REFUSED)
FINISHED = (Status.REGISTERED, Status.COVERED, Status.WITHDRAWN, Status.CANCELLED)
IN_TROUBLE = models.Q(status__in=TROUBLED, due_at=None) | models.Q(
    status=Status.CANCELLING, obstacle=Obstacle.PARKED
)


class MappingQuerySet(QuerySet):
    """Product mappings."""

    def sold_as(self, product_keys: Collection[str]) -> MappingQuerySet:
        """Give the mappings of any of these product keys, inactive ones too, the oldest first."""
        return self.filter(product_key__in=product_keys).order_by("pk")


# Seconds for which an order that is written bit by bit is left alone at most, though it never comes to rest.
_LONGEST_QUIET = 10.0


class MarkQuerySet(QuerySet):
    """Order marks."""

    def due(self) -> MarkQuerySet:
        """Give the marks whose time has come."""
        return self.filter(due_at__lte=DatabaseNow())

    def settled_down(self, *, at_most: float = _LONGEST_QUIET) -> MarkQuerySet:
        """Leave out orders that are still being written outside a transaction, but for `at_most` seconds."""
        fresh = type(self)(self.model).filter(
            order_ref=OuterRef("order_ref"), quiet=True, due_at__gt=DatabaseNow()
        )
        return self.filter(~Exists(fresh) | models.Q(due_at__lte=DatabaseNow(-at_most)))


class RegistrationQuerySet(QuerySet):
    """Registrations."""

    def due(self) -> RegistrationQuerySet:
        """Give the rows for which a call, or the end of a lease, is due."""
        return self.filter(due_at__lte=DatabaseNow())

    def of_order(self, order_ref: str) -> RegistrationQuerySet:
        """Give an order's registrations in the order in which they were made."""
        return self.filter(order_ref=order_ref).order_by("pk")

    def in_trouble(self) -> RegistrationQuerySet:
        """Give the rows that wait for a person."""
        # The statuses once more, for their index: the OR alone would read the whole table.
        return self.filter(IN_TROUBLE, status__in=(*TROUBLED, Status.CANCELLING))

    def finished(self) -> RegistrationQuerySet:
        """Give the rows with which nothing happens any more, unless the order changes or a person wants it."""
        return self.filter(status__in=FINISHED, claim_token=None, due_at=None, duplicate_ids=None)

    def parked(self) -> RegistrationQuerySet:
        """Give the cancels that the brake holds back."""
        # The status is told too for its index.
        return self.filter(status=Status.CANCELLING, obstacle=Obstacle.PARKED)

    def under_another_id(self) -> RegistrationQuerySet:
        """Give the rows that Elevate knows under another user ID than the store gives now."""
        return self.exclude(other_user_id="")

    def by_status(self) -> dict[str, int]:
        """Count the rows in each status."""
        counted = self.order_by().values_list("status").annotate(n=Count("pk"))
        return dict(counted)

    def oldest_due(self) -> datetime | None:
        """Tell since when the longest-waiting row has been due; None when nothing is."""
        return self.due().order_by("due_at").values_list("due_at", flat=True).first()


class UnmappedSaleQuerySet(QuerySet):
    """Sales of products without a mapping."""

    def open(self) -> UnmappedSaleQuerySet:
        """Give the sales about which nobody has decided yet."""
        return self.filter(decision="open")

    def of_product(self, product_key: str) -> UnmappedSaleQuerySet:
        """Give the sales whose product keys hold this one."""
        return self.filter(product_keys__contains=f"\n{product_key}\n")
