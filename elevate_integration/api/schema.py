"""The OpenAPI document of this API, whatever else the host serves, and the answer to addresses that are none."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from elevate_integration.api.base import ApiView, Pace
from elevate_integration.api.document import SETTINGS


def only_ours(endpoints: Any) -> list[Any]:
    """Leave out the host's own endpoints. A preprocessing hook of drf-spectacular."""
    return [one for one in endpoints if issubclass(getattr(one[3], "cls", object), ApiView)]


class SchemaView(SpectacularAPIView):
    """The document. For everybody: it tells what the package's source tells."""

    custom_settings = SETTINGS
    permission_classes = [AllowAny]
    throttle_classes = [Pace]
    renderer_classes = [OpenApiJsonRenderer, OpenApiJsonRenderer2]
    get_exception_handler = ApiView.get_exception_handler


class NowhereView(ApiView):
    """Every other address below the API: 404 as a problem, for everybody."""

    permission_classes = [AllowAny]
    schema = None  # type: ignore[assignment]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse it whatever the method."""
        self.format_kwarg = None
        self.perform_content_negotiation(request, force=True)
        raise NotFound(_("There is nothing at this address. Addresses end with a slash."))
