"""`health/`: whether delivery is well, for a monitor: 200 when it is, 503 with the same answer when it is not."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from elevate_integration.api.base import ApiView, answers, described
from elevate_integration.api.serializers import HealthSerializer
from elevate_integration.watching.health import health


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
        found = health()
        return Response(HealthSerializer(found).data, status=200 if found.ok else 503)
