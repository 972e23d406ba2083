"""One row of everything, five kinds of people, and what each is answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from elevate_integration.lifecycle import AtElevate, Obstacle
from elevate_integration.models import DeliveryState, TrackedOrder, UnmappedSale
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.seats import assignment_url
from tests.plainshop.models import Invoice, Item
from tests.rows import make_mapping, make_person, make_row
from tests.security.every_url import Place, fill

EVERYBODY = ("anonymous", "member", "viewer", "staff", "boss")


def log_in(who: str) -> Client:
    """Log in: nobody, a member, staff who may see everything of ours, staff without permissions, a superuser."""
    client = Client(raise_request_exception=False)
    if who == "anonymous":
        return client
    if who == "boss":
        user = get_user_model().objects.create_superuser("boss@example.org", "secret")
    else:
        user = make_person(
            f"{who}@example.org", *(_views() if who == "viewer" else ()), is_staff=who != "member"
        )
    client.force_login(user)
    return client


def _views() -> list[str]:
    ours = Permission.objects.filter(
        content_type__app_label="elevate_integration", codename__startswith="view_"
    )
    return list(ours.values_list("codename", flat=True))


def furnish(**texts: Any) -> dict[str, Any]:
    """Make one row of everything, and give the values for the parameters of addresses."""
    invoice = Invoice.objects.create(issued=timezone.now())
    Item.objects.create(
        invoice=invoice, course="ETHICS", price="120.00", person_id="M-1", email="a@example.org"
    )
    mapping = make_mapping(product_key="course:ETHICS")
    row = make_row(
        mapping, order_ref=str(invoice.pk), at_elevate=AtElevate.PRESENT, wanted=False,
        obstacle=Obstacle.CANCEL_REFUSED, duplicate_ids="500",
    )  # fmt: skip
    order = TrackedOrder.objects.create(order_ref=str(invoice.pk))
    sale = UnmappedSale.objects.create(order_ref="2", seat_key="1", product_keys=UnmappedSale.pack(["mug"]))
    day = ReconciledDay.objects.create(
        site="https://elevate.example", day=date(2025, 3, 1), state="read", read_at=timezone.now()
    )
    difference = Discrepancy.objects.create(
        day=day,
        kind="twice",
        subject="x:1",
        registration=row,
        first_seen_at=timezone.now(),
        last_seen_at=timezone.now(),
    )
    state, _ = DeliveryState.objects.get_or_create(pk=1)
    return {
        "remote_product_id": mapping.remote_product_id,
        "ticket": assignment_url(None, invoice.pk).rstrip("/").rpartition("/")[2],
        "order_ref": invoice.pk,
        "ref": invoice.pk,
        "pk": row.pk,
        "app_label": "elevate_integration",
        "of": {
            "productmapping": mapping.pk,
            "registration": row.pk,
            "trackedorder": order.pk,
            "unmappedsale": sale.pk,
            "deliverystate": state.pk,
            "reconciledday": day.pk,
            "discrepancy": difference.pk,
        },
        "acts": {
            "registration": "cancel",
            "unmappedsale": "leave",
            "deliverystate": "pause",
            "discrepancy": "expected",
        },
    }


def address(place: Place, values: dict[str, Any]) -> str:
    """Write the address of a place for the rows that there are."""
    model = next((part for part in place.route.split("/")[2:3]), "")
    more = {"object_id": values["of"].get(model, 1), "name": values["acts"].get(model, "none")}
    if place.name == "elevate_integration_api:mapping-detail":
        more["pk"] = values["of"]["productmapping"]
    return fill(place.route, {**values, **more})


def answered(client: Client, method: str, url: str) -> str:
    """Ask, and give the status; `login` where it leads to a log-in."""
    ask: Callable[..., Any] = getattr(client, method)
    response = ask(url) if method == "get" else ask(url, {}, content_type="application/json")
    if response.status_code == 302 and "login" in response["Location"]:
        return "login"
    return str(response.status_code)


def everything_stored() -> dict[str, list[Any]]:
    """Give every row of ours and of the example's store."""
    labels = ("elevate_integration", "plainshop", "store", "admin")
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for label in labels
        for model in apps.get_app_config(label).get_models()
    }
