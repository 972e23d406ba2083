"""Product mappings against the store: what is mapped, sold without a mapping, gone, doubled, or behind a dead address."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, Max, Min

from elevate_integration.conf import order_source
from elevate_integration.doctor.findings import OK, WARNING, Finding, host_asked, named, some
from elevate_integration.models import ProductMapping, UnmappedSale, database
from elevate_integration.staff import problem_words

_NAMED = 10
_LISTED = 1000
_ASKED = 100
_SECONDS = 10.0


def look_at_products() -> Iterator[Finding]:
    """Look at the active mappings and at the sales that have none."""
    active = ProductMapping.objects.using(database()).filter(active=True, not_for_elevate=False)
    yield from _mapped(active)
    yield from _unmapped()
    yield from _without_product(active)
    yield from _twins(active)
    yield from _addresses(active)


def _title(mapping: ProductMapping) -> str:
    return (
        f"{mapping.product_title} ({mapping.product_key})" if mapping.product_title else mapping.product_key
    )


def _mapped(active: Any) -> Iterator[Finding]:
    number, how = active.count(), "The active product mappings were counted."
    data = {"mapped": number}
    if number:
        yield Finding(
            OK,
            "products.mapped",
            f"{some(number, 'product is', 'products are')} mapped to Elevate.",
            how,
            data=data,
        )
        return
    text = "No product is mapped, so nothing is registered."
    yield Finding(WARNING, "products.mapped", text, how, "Map products in the admin.", data)


def _unmapped() -> Iterator[Finding]:
    how = (
        "Sync notes each paid seat whose product has no mapping; those nobody has decided about were counted."
    )
    sales = UnmappedSale.objects.using(database()).open()
    number = sales.count()
    if not number:
        yield Finding(OK, "products.unmapped", "No product was sold that nobody has mapped.", how)
        return
    groups = sales.values("product_keys").annotate(seats=Count("pk"), title=Max("product_title"))
    found = list(groups.order_by("-seats", "product_keys")[: _NAMED + 1])
    names = []
    for group in found[:_NAMED]:
        key = UnmappedSale(product_keys=group["product_keys"]).keys[0]
        names.append(f"{group['title'] or key} ({key}, {group['seats']})")
    more = " and others" if len(found) > _NAMED else ""
    text = f"{some(number, 'seat was', 'seats were')} sold of products that nobody has mapped: {', '.join(names)}{more}."
    mend = "Map the products, or say that they are not for Elevate: see Unmapped sales in the admin."
    yield Finding(WARNING, "products.unmapped", text, how, mend, {"seats": number, "products": names})


def _without_product(active: Any) -> Iterator[Finding]:
    code, how = "products.gone", "The order source was asked for each mapped product by its key."
    mappings = list(active.order_by("pk")[:_LISTED])
    if not mappings:
        return
    found = host_asked(lambda: _gone(mappings), code, "`products`")
    if isinstance(found, Finding):
        yield found
        return
    if found is None:
        text = (
            "Whether the mapped products are still in the store cannot be told: the order source lists none."
        )
        yield Finding(OK, code, text, "`products` was asked for one product.")
        return
    gone, unasked = found
    left = f" {unasked} more were not asked for lack of time." if unasked else ""
    if not gone:
        text = f"No mapped product that was asked for is missing in the store.{left}"
        yield Finding(OK, code, text, how, data={"missing": 0, "not_asked": unasked})
        return
    names = named([_title(mapping) for mapping in gone[:_NAMED]], len(gone))
    text = f"{some(len(gone), 'mapped product is', 'mapped products are')} not in the store: {names}.{left}"
    mend = "Correct the product key, or deactivate the mapping. Nothing is cancelled by that."
    data = {"missing": len(gone), "not_asked": unasked}
    yield Finding(WARNING, code, text, how, mend, data)


def _gone(mappings: list[ProductMapping]) -> tuple[list[ProductMapping], int] | None:
    """Give the mappings whose product the store does not list, and how many were not asked for; None: it lists none."""
    try:
        source = order_source()
    except ImproperlyConfigured:
        return None
    listed = {product.key for product in source.products("", _LISTED)}
    if not listed:
        return None
    doubtful = [mapping for mapping in mappings if mapping.product_key not in listed]
    ends = monotonic() + _SECONDS
    gone, asked = [], 0
    for mapping in doubtful[:_ASKED]:
        if monotonic() > ends:
            break
        asked += 1
        key = mapping.product_key
        # Some stores list a product under one of its keys only; its page proves that it is there.
        if not any(p.key == key for p in source.products(key, 20)) and not source.product_url(key):
            gone.append(mapping)
    return gone, len(doubtful) - asked


def _twins(active: Any) -> Iterator[Finding]:
    groups = active.exclude(remote_product_id="").order_by().values("remote_product_id")
    ids = [
        row["remote_product_id"]
        for row in groups.annotate(n=Count("pk")).filter(n__gt=1).order_by("remote_product_id")[:_NAMED]
    ]
    if not ids:
        return
    text = f"Several active mappings have the same Remote Product ID: {', '.join(ids)}."
    how = "The Remote Product IDs of active mappings were compared."
    mend = "Fine if it is meant, as with two prices of one course; else correct one."
    yield Finding(OK, "products.twins", text, how, mend, {"remote_product_ids": ids})


def _addresses(active: Any) -> Iterator[Finding]:
    code, how = "products.addresses", "`elevate_check_urls` asked them, and its answers were read."
    with_address = active.exclude(remote_registration_url="")
    if not with_address.exists():
        return
    checked = with_address.exclude(url_checked_at=None)
    when = checked.aggregate(oldest=Min("url_checked_at"))["oldest"]
    if when is None:
        text = "The Remote Registration URLs have never been asked whether they answer."
        yield Finding(OK, code, text, how, "Run `manage.py elevate_check_urls`, from cron if you like.")
        return
    failing = checked.exclude(url_problem="")
    number = failing.count()
    if not number:
        text = f"The Remote Registration URLs answered when they were last asked, the first at {when:%Y-%m-%d %H:%M}."
        yield Finding(OK, code, text, how, data={"failing": 0})
        return
    names = [f"{_title(one)}: {problem_words(one.url_problem)}" for one in failing.order_by("pk")[:_NAMED]]
    text = f"{some(number, 'Remote Registration URL', 'Remote Registration URLs')} did not answer: {named(names, number)}."
    mend = "Correct the address in the mapping and in Elevate, or mend the page."
    yield Finding(WARNING, code, text, how, mend, {"failing": number})
