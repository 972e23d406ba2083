"""How a difference with Elevate's report looks: kind, decision, numbers, and the product's page at Elevate."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import formats
from django.utils.html import format_html
from django.utils.translation import gettext

from elevate_integration.admin import show
from elevate_integration.admin.base import address_if_there, may
from elevate_integration.admin.difference_words import KINDS, VERDICTS
from elevate_integration.admin.overview import SEES_DIFFERENCES
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.reconciled import Discrepancy

Decision = Discrepancy.Decision
_LISTED = 20


def open_differences(page: Any, request: HttpRequest, row: Registration) -> list[tuple[str, str]]:
    """Give kind and address of what Elevate's report says otherwise about a registration, to those who may see it."""
    if not may(request, *SEES_DIFFERENCES):
        return []
    waiting = Discrepancy.objects.waiting().filter(registration=row).select_related("day").order_by("pk")
    return [
        (kind(one), address_if_there(page, "change", one.pk, model="discrepancy"))
        for one in waiting[:_LISTED]
    ]


def is_open(row: Discrepancy) -> bool:
    """Tell whether a difference waits for a decision."""
    return row.decision == Decision.OPEN and row.closed_at is None


def kind(row: Discrepancy) -> str:
    """Show what differs as a sign, a word and a colour."""
    label = dict(Discrepancy.Kind.choices).get(row.kind, row.kind)
    return show.badge(KINDS[row.kind].tone if is_open(row) else "quiet", label)


def decided(row: Discrepancy) -> str:
    """Say what was decided, by whom and why; "" while it waits."""
    parts = []
    if row.closed_at is not None:
        parts.append(gettext("No longer true since %(when)s.") % {"when": show.moment(row.closed_at)})
    if row.decision != Decision.OPEN:
        words = {
            "decision": VERDICTS[row.decision].label,
            "who": row.decided_by,
            "when": show.day(row.decided_at),
        }
        parts.append(gettext("%(decision)s (%(who)s, %(when)s).") % words)
    if not parts and not row.note:
        return ""
    note = format_html('<q dir="auto">{}</q>', row.note) if row.note else ""
    return format_html('<div class="elevate-next">{}{}</div>', " ".join(parts), note)


def numbers(row: Discrepancy) -> str:
    """Say what differs in numbers, as far as it is known: amounts, or how many; "" where it is neither."""
    here, there = (
        None if value is None else formats.number_format(value, 2)
        for value in (row.amount_here, row.amount_there)
    )
    if here is None and there is None:
        here, there = (None if value is None else str(value) for value in (row.count_here, row.count_there))
    parts = []
    if here is not None:
        parts.append(gettext("%(number)s here") % {"number": here})
    if there is not None:
        parts.append(gettext("%(number)s at Elevate") % {"number": there})
    return ", ".join(parts)


def product_url(row: Discrepancy) -> str:
    """Give the product's page at Elevate as Elevate answered it, for this registration or another one; "" if never."""
    if row.registration is not None and row.registration.product_url:
        return row.registration.product_url
    product = row.registration.remote_product_id if row.registration is not None else row.remote_product_id
    mappings = ProductMapping.objects.filter(remote_product_id=product) if product else ()
    # The index of the mapping gives the latest first.
    same = Registration.objects.filter(mapping__in=[mapping.pk for mapping in mappings])
    known = same.filter(registered_at__isnull=False).exclude(product_url="").order_by("-registered_at")
    return known.values_list("product_url", flat=True).first() or ""
