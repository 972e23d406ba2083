"""The admin's pages for staff. A site with its own `AdminSite` calls `register(site)`; the default one is served.

Pages ask, show what will happen and answer; what is done lives in `elevate_integration.staff`.
"""

from __future__ import annotations

from django.contrib import admin

from elevate_integration.admin.comparing import ReconciledDayAdmin
from elevate_integration.admin.delivery import DeliveryStateAdmin
from elevate_integration.admin.differences import DiscrepancyAdmin
from elevate_integration.admin.mappings import ProductMappingAdmin
from elevate_integration.admin.orders import TrackedOrderAdmin
from elevate_integration.admin.registrations import RegistrationAdmin
from elevate_integration.admin.unmapped import UnmappedSaleAdmin
from elevate_integration.models import (
    DeliveryState,
    ProductMapping,
    Registration,
    TrackedOrder,
    UnmappedSale,
)
from elevate_integration.reconciled import Discrepancy, ReconciledDay

_PAGES: list[tuple[type, type[admin.ModelAdmin]]] = [
    (ProductMapping, ProductMappingAdmin),
    (UnmappedSale, UnmappedSaleAdmin),
    (Registration, RegistrationAdmin),
    (TrackedOrder, TrackedOrderAdmin),
    (DeliveryState, DeliveryStateAdmin),
    (ReconciledDay, ReconciledDayAdmin),
    (Discrepancy, DiscrepancyAdmin),
]


def register(site: admin.AdminSite) -> None:
    """Put the pages on an admin site. Those that it has already stay as they are."""
    for model, page in _PAGES:
        if not site.is_registered(model):
            site.register(model, page)


register(admin.site)
