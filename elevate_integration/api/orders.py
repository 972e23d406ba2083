"""`orders/<reference>/`: an order as the store tells it now, beside what is registered; and reading it again."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from elevate_integration import doctor, staff
from elevate_integration.api.base import ApiView, answers, described, record, who
from elevate_integration.api.problems import StoreUnreadable, problem
from elevate_integration.api.registrations import TRIGGER
from elevate_integration.api.serializers import OrderSerializer, SyncSerializer
from elevate_integration.events import event, get_logger
from elevate_integration.models import TrackedOrder, database

logger = get_logger(__name__)

_LONGEST = 150
_TEXT = {"type": "string", "minLength": 1, "maxLength": _LONGEST}
_REF = OpenApiParameter(
    "ref",
    _TEXT,
    OpenApiParameter.PATH,
    examples=[OpenApiExample("an order", "9001")],
    description="The order's reference, percent-encoded; a slash may be left.",
)


def _look(ref: str) -> tuple[Any, Any, list[Any]]:
    """Give the snapshot, what a sync would do, and the registrations. Raises NotFound for an order that never was."""
    try:
        shot, result, found = doctor.order_now(ref)
        rows = list(found)
    except Exception as error:
        logger.exception(
            "The order source could not read order %s for the REST API.",
            ref,
            extra=event("elevate.order.not_read", order_ref=ref),
        )
        raise StoreUnreadable from error
    if shot is None and not rows:
        raise NotFound
    return shot, result, rows


def _must_fit(ref: str) -> str:
    if len(ref) > _LONGEST or "\0" in ref:
        raise NotFound
    return ref


class OrderView(ApiView):
    """One order. Needs view_registration, since it shows people."""

    needs = {"get": ("view_registration",)}

    @described(
        parameters=[_REF],
        responses=answers({200: OrderSerializer}, 404, 503),
        description=(
            "Look at an order as the store tells it now, at its registrations, and at what reading it again would do. "
            "Changes nothing. Needs view_registration. 503: the store could not be read."
        ),
    )
    def get(self, request: Request, ref: str) -> Response:
        """Look at an order."""
        _must_fit(ref)
        shot, result, rows = _look(ref)
        order: dict[str, Any] = {
            "order_ref": ref,
            "in_store": shot is not None,
            "buyer": shot.buyer if shot is not None else None,
            "seats": shot.seats if shot is not None else (),
            "registrations": rows,
            "sync": result,
        }
        context = {"request": request, "sees_people": True}
        return Response(OrderSerializer(order, context=context).data)


class OrderSyncView(ApiView):
    """Reads an order again. Needs resync_order."""

    needs = {"post": ("resync_order",)}

    @described(
        parameters=[_REF],
        request=None,
        responses=answers({200: SyncSerializer}, 404, 503),
        description=(
            "Read an order again now; its registrations follow. Asking twice does no more than asking once. Needs "
            "resync_order. 503: the store could not be read."
        ),
    )
    def post(self, request: Request, ref: str) -> Response:
        """Read an order again."""
        _must_fit(ref)
        orders = TrackedOrder.objects.using(database()).filter(order_ref=ref)
        if not orders.exists():
            # Nothing is written down for an order that never was.
            _look(ref)
        (result,) = staff.resync([ref], actor=who(request), trigger=TRIGGER)
        if result.error:
            # Answered and not raised: the failure that was recorded must outlive the host's ATOMIC_REQUESTS.
            return problem(503, result.error, "order_unreadable")
        tracked = orders.first()
        if tracked is not None:
            record(request, tracked, _("Resync"))
        return Response(SyncSerializer(result).data)
