"""`health/`: whether delivery is well, for a monitor: 200 when it is, 503 with the same answer when it is not."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from elevate_integration import overview, staff
from elevate_integration.api.base import ApiView, answers, described
from elevate_integration.api.serializers import HealthSerializer
from elevate_integration.clock import database_now
from elevate_integration.conf import conf
from elevate_integration.models import Registration, database


class HealthView(ApiView):
    """Needs view_deliverystate or pause_delivery, like the admin's page."""

    needs = {"get": ("view_deliverystate", "pause_delivery")}

    @described(
        description=(
            "Tell whether delivery is well: 503 when it is paused, waits, is silent, is late or has an alarm. Needs "
            "view_deliverystate or pause_delivery."
        ),
        responses=answers({200: HealthSerializer, 503: HealthSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Look at delivery."""
        using = database()
        state, now = staff.delivery_state(), database_now(using)
        oldest = Registration.objects.using(using).oldest_due()
        trouble = overview.not_well(state, now, conf().dispatcher, oldest)
        beat = state.heartbeat_at
        health = {
            "ok": not trouble,
            "condition": overview.condition(state, now, conf().dispatcher),
            "trouble": trouble,
            "oldest_due_seconds": None if oldest is None else (now - oldest).total_seconds(),
            "heartbeat_seconds": None if beat is None else (now - beat).total_seconds(),
        }
        return Response(HealthSerializer(health).data, status=503 if trouble else 200)
