"""What may be entered as a product mapping, and what saving one sets going."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from elevate_integration.models import ProductMapping, UnmappedSale, database
from elevate_integration.staff.products import Decided, apply_to_past, follow_mappings, leave_past


@dataclass(frozen=True)
class Saved:
    """What a saved mapping means. refused: registrations that could be tried again now.

    past: seats sold before the product was mapped, about which nobody has decided. decided: what was decided now.
    """

    refused: int = 0
    past: int = 0
    decided: Decided | None = None


def mapping_mistakes(remote_product_id: str, *, none: bool) -> dict[str, Any]:
    """Give what is wrong, by field. none: the product has no course in Elevate."""
    if not remote_product_id and not none:
        text = _("Type the Remote Product ID, or tick “not for Elevate” if there is none.")
        return {"remote_product_id": ValidationError(text)}
    if remote_product_id and none:
        text = _("A product that is not for Elevate has no Remote Product ID. Clear one of them.")
        return {"not_for_elevate": ValidationError(text)}
    return {}


def save_mapping(
    mapping: ProductMapping, *, changed: Collection[str], apply_past: bool | None, actor: str
) -> Saved:
    """Save a mapping that was checked, and let what waits follow it. Sends nothing, cancels nothing.

    changed: names of the fields that differ from what was stored. apply_past: whether seats that were sold before are
    registered; False leaves them as they are, None decides nothing. Raises IntegrityError where another one has the
    same product and Remote Product ID.
    """
    using = database()
    new = mapping.pk is None
    with transaction.atomic(using=using):
        if "remote_registration_url" in changed:
            mapping.forget_address_check()
        mapping.save(using=using)
        refused = 0
        if not new and mapping.sells and {"remote_product_id", "active"} & set(changed):
            refused = follow_mappings([mapping.pk])
        decided = None
        if mapping.not_for_elevate:
            decided = leave_past(mapping.product_key, actor=actor)
        elif mapping.sells and apply_past is not None:
            decide = apply_to_past if apply_past else leave_past
            decided = decide(mapping.product_key, actor=actor)
        past = UnmappedSale.objects.using(using).open().of_product(mapping.product_key).count()
    return Saved(refused, past, decided)
