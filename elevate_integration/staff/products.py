"""Acts on products: what is not for Elevate, and what happens to seats sold before a product was mapped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import AtElevate, Status
from elevate_integration.locking import write_first
from elevate_integration.marks import order_changed
from elevate_integration.models import ProductMapping, Registration, UnmappedSale, database
from elevate_integration.retrying import retried
from elevate_integration.staff.registering import retry
from elevate_integration.staff.rows import Acted

if TYPE_CHECKING:
    from elevate_integration.words import Text

logger = get_logger(__name__)

_BATCH = 500


@dataclass(frozen=True)
class Decided:
    """What a decision about a product did: seats sold before and their orders; or why nothing was done."""

    seats: int = 0
    orders: int = 0
    reason: Text = ""


@retried
def not_for_elevate(product_key: str, title: str, *, actor: str) -> Decided:
    """Say that a product has no course in Elevate. Its open unmapped sales are left as they are."""
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        mappings = ProductMapping.objects.using(using).select_for_update().filter(product_key=product_key)
        if any(mapping.sells for mapping in mappings):
            return Decided(reason=_("the product is mapped to Elevate; deactivate that mapping instead"))
        ProductMapping.objects.using(using).update_or_create(
            product_key=product_key,
            remote_product_id="",
            defaults={"not_for_elevate": True, "active": True},
            create_defaults={"not_for_elevate": True, "product_title": title[:300]},
        )
        decided = _decide(product_key, UnmappedSale.Decision.LEFT, using)
    logger.info(
        "A person said that product %s is not for Elevate.",
        product_key,
        extra=event("elevate.product.not_for_elevate", product_key=product_key),
    )
    return decided


@retried
def leave_past(product_key: str, *, actor: str) -> Decided:
    """Leave the seats of a product that were sold before it was mapped; only new sales are registered."""
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        decided = _decide(product_key, UnmappedSale.Decision.LEFT, using)
    logger.info(
        "A person left %s past seats of product %s as they are.",
        decided.seats,
        product_key,
        extra=event("elevate.product.past_left", product_key=product_key, number=decided.seats),
    )
    return decided


@retried
def apply_to_past(product_key: str, *, actor: str) -> Decided:
    """Register the seats of a product that were sold before it was mapped; their orders are read again."""
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        mappings = ProductMapping.objects.using(using).filter(product_key=product_key)
        if not any(mapping.sells for mapping in mappings):
            return Decided(reason=_("map the product first"))
        refs = list(
            _open(product_key, using).order_by("order_ref").values_list("order_ref", flat=True).distinct()
        )
        decided = _decide(product_key, UnmappedSale.Decision.APPLY, using)
        for ref in refs:
            order_changed(ref, using=using)
    logger.info(
        "A person has %s past seats of product %s registered.",
        decided.seats,
        product_key,
        extra=event("elevate.product.past_registered", product_key=product_key, number=decided.seats),
    )
    return decided


def _open(product_key: str, using: str) -> Any:
    return UnmappedSale.objects.using(using).open().of_product(product_key)


def _decide(product_key: str, decision: UnmappedSale.Decision, using: str) -> Decided:
    sales = list(_open(product_key, using).select_for_update().order_by("pk").values_list("pk", "order_ref"))
    for start in range(0, len(sales), _BATCH):
        pks = [pk for pk, _ref in sales[start : start + _BATCH]]
        UnmappedSale.objects.using(using).filter(pk__in=pks).update(decision=decision)
    return Decided(seats=len(sales), orders=len({ref for _pk, ref in sales}))


def refused_of(mapping_pks: Iterable[Any]) -> Any:
    """Give the registrations that Elevate refused and that a mended mapping may have mended, the oldest first."""
    return _waiting(list(mapping_pks), database()).filter(status=Status.REFUSED).order_by("pk")


def follow_mappings(mapping_pks: Iterable[Any]) -> int:
    """Let what never reached Elevate take over the mappings' Remote Product ID. What is registered stays as it is.

    Gives the number of refused registrations, which `mapping_changed` tries again once a person says so.
    """
    pks = list(mapping_pks)
    _follow(pks, retries=False, actor="")
    return int(refused_of(pks).count())


def mapping_changed(mapping_pks: Iterable[Any], *, actor: str) -> Acted:
    """Follow mended mappings, see `follow_mappings`, and try again what was refused."""
    return _follow(list(mapping_pks), retries=True, actor=actor)


def _waiting(mapping_pks: list[Any], using: str) -> Any:
    return Registration.objects.using(using).filter(
        mapping__in=mapping_pks, at_elevate=AtElevate.ABSENT, wanted=True
    )


@retried
def _follow(mapping_pks: list[Any], *, retries: bool, actor: str) -> Acted:
    using = database()
    with transaction.atomic(using=using):
        write_first(using)
        waiting = _waiting(mapping_pks, using)
        refused = waiting.filter(status=Status.REFUSED).order_by("pk").values_list("pk", flat=True)
        again = list(refused) if retries else []
        _pin_anew(waiting)
        refs = list(waiting.order_by("order_ref").values_list("order_ref", flat=True).distinct())
        for ref in refs:
            order_changed(ref, using=using)
        return retry(again, actor=actor)


def _pin_anew(waiting: Any) -> None:
    """Rows that nobody ever sent follow the mapping at once, so that the retry does not repeat the old mistake."""
    mappings = ProductMapping.objects.using(waiting.db).in_bulk()
    untouched = waiting.filter(registered_at=None, claim_token=None).order_by("pk").select_for_update()
    for row in untouched:
        mapping = mappings[row.mapping_id]
        if not mapping.sells or row.remote_product_id == mapping.remote_product_id:
            continue
        row.remote_product_id = mapping.remote_product_id
        try:
            with transaction.atomic(using=waiting.db):
                row.save(using=waiting.db, update_fields=["remote_product_id", "updated_at"])
        except IntegrityError:
            logger.warning(
                "Registration %s keeps its product: the seat has one for the new product.",
                row.pk,
                extra=event("elevate.registration.product_kept", registration=row.pk),
            )
