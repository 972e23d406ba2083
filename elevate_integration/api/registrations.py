"""`registrations/`: list and look at registrations; retry, cancel and resync them as the admin does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from elevate_integration import staff
from elevate_integration.api.base import answers, described, may, record, who
from elevate_integration.api.filters import RegistrationFilters
from elevate_integration.api.keys import ID, KeyedRows
from elevate_integration.api.paging import Pages
from elevate_integration.api.problems import DoesNotApply, problem
from elevate_integration.api.serializers import (
    ActedSerializer,
    CancelSerializer,
    RegistrationDetailSerializer,
    RegistrationSerializer,
)
from elevate_integration.models import Registration, database
from elevate_integration.staff import Acted

TRIGGER = "api"
_ACTED = answers({200: ActedSerializer, 202: ActedSerializer}, 404, 409)


@extend_schema_view(
    list=described(
        description="List registrations, the newest first. Needs view_registration.",
        responses=answers({200: RegistrationSerializer(many=True)}, 400, 404),
    ),
    retrieve=described(
        parameters=[ID],
        description="Look at one, with its calls. Needs view_registration.",
        responses=answers({200: RegistrationDetailSerializer}, 404),
    ),
)
class RegistrationViewSet(ListModelMixin, RetrieveModelMixin, KeyedRows):
    """Registrations: each act needs its own permission. 202: something is still to happen; 200: all is done."""

    needs = {
        "list": ("view_registration",),
        "retrieve": ("view_registration",),
        "retry": ("retry_registration",),
        "cancel": ("cancel_registration",),
        "resync": ("resync_order",),
    }
    filterset_class = RegistrationFilters
    pagination_class = Pages

    def get_queryset(self) -> Any:
        """Read where we write."""
        return Registration.objects.using(database()).select_related("mapping").order_by("-pk")

    def get_serializer_class(self) -> Any:
        """Show the calls of one row only."""
        return RegistrationDetailSerializer if self.action == "retrieve" else RegistrationSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        """Say whether people may be shown."""
        context = super().get_serializer_context()
        return {**context, "sees_people": may(self.request, "view_registration")}

    @described(
        parameters=[ID],
        request=None,
        responses=_ACTED,
        description=(
            "Have the call to Elevate made again as soon as possible. Needs retry_registration; a cancellation that "
            "the brake holds back needs pause_delivery besides. 409: it does not apply, and why."
        ),
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Try again."""
        let_go = may(request, "pause_delivery")
        return self._done(
            staff.retry([self.key()], actor=who(request), let_go=let_go, trigger=TRIGGER), _("Retry")
        )

    @described(
        parameters=[ID],
        request=CancelSerializer,
        responses={**_ACTED, **answers({}, 400, 415)},
        description=(
            "Give the registration up; it stays given up whatever later syncs read. Refunds no money, obeys the brake. "
            "Needs cancel_registration. 409: it does not apply, and why."
        ),
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel."""
        key = self.key()
        form = CancelSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        acted = staff.cancel([key], actor=who(request), trigger=TRIGGER, **form.validated_data)
        return self._done(acted, _("Cancel"))

    @described(
        parameters=[ID],
        request=None,
        responses={**_ACTED, **answers({}, 503)},
        description=(
            "Read the registration's order again; the registration follows it. What was cancelled by hand stays "
            "cancelled. Needs resync_order. 503: the store could not be read."
        ),
    )
    @action(detail=True, methods=["post"])
    def resync(self, request: Request, pk: str) -> Response:
        """Read the order again."""
        row = self.get_object()
        (result,) = staff.resync([row.order_ref], actor=who(request), trigger=TRIGGER)
        if result.error:
            # Answered and not raised: the failure that was recorded must outlive the host's ATOMIC_REQUESTS.
            return problem(503, result.error, "order_unreadable")
        return self._row(row.pk, _("Resync"))

    def _done(self, acted: Acted, label: Any) -> Response:
        for _pk, reason in acted.left:
            if str(reason) == str(staff.NO_SUCH_ROW):
                raise NotFound
            raise DoesNotApply(reason)
        return self._row(acted.done[0], label, [note for _pk, note in acted.notes])

    def _row(self, pk: int, label: Any, notes: Iterable[Any] = ()) -> Response:
        row = self.get_queryset().get(pk=pk)
        record(self.request, row, label)
        context = {**self.get_serializer_context(), "notes": notes}
        waits = row.due_at is not None or row.claim_token is not None
        return Response(ActedSerializer(row, context=context).data, status=202 if waits else 200)
