"""What every view shares: JSON, problems as errors, permissions by name, a pace, and what the schema says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.apps import apps
from django.db import DataError
from django.db.models import Model
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from elevate_integration.api import problems
from elevate_integration.api.problems import MEDIA_TYPE, ProblemSerializer

APP = "elevate_integration"
# What a host changes under these names in REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]; None there means no limit.
RATES: dict[str, Any] = {"elevate_read": "600/min", "elevate_act": "120/min"}


def may(request: Request, *codenames: str) -> bool:
    """Tell whether who asks holds any of these permissions of ours."""
    return any(request.user.has_perm(f"{APP}.{codename}") for codename in codenames)


class Holds(BasePermission):
    """Lets those pass who hold one of the permissions that the view names in `needs` for the method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether who asks may go on. A method that the view lacks is answered by the view itself."""
        if not (request.user and request.user.is_authenticated):
            return False
        asked = getattr(view, "action", None) or (request.method or "").lower()
        needed = view.needs.get("get" if asked == "head" else asked)
        if needed is None:
            return bool(view.http_method_not_allowed_here(request))
        return may(request, *needed)


class Pace(UserRateThrottle):
    """How many requests one log-in may make: reading and acting are counted apart."""

    def __init__(self) -> None:
        # Which rate it is, only the request tells.
        self.rate = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request."""
        self.scope = "elevate_read" if request.method in SAFE_METHODS else "elevate_act"
        rates: dict[str, Any] = {**RATES, **api_settings.DEFAULT_THROTTLE_RATES}
        self.rate = rates[self.scope]
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)


class ApiView(APIView):
    """JSON in and out, errors as problems. Who asks is told by the host's own DEFAULT_AUTHENTICATION_CLASSES.

    needs: for each action or method, the permissions of this app any of which is enough.
    """

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    schema = AutoSchema()
    renderer_classes = [JSONRenderer]
    parser_classes = [JSONParser]
    permission_classes: Any = [Holds]
    throttle_classes = [Pace]
    versioning_class = None
    # Answers to OPTIONS would tell about serializers what the schema tells better.
    http_method_names = ["get", "post", "patch", "head"]

    def http_method_not_allowed_here(self, request: Request) -> bool:
        """Let a method pass that has no handler, so that it is answered with 405; refuse one that nobody named."""
        method = (request.method or "").lower()
        return method not in self.http_method_names or not hasattr(self, method)

    def perform_authentication(self, request: Request) -> None:
        """Refuse a log-in that the database cannot even look for, such as one with a NUL."""
        try:
            super().perform_authentication(request)
        except (ValueError, DataError) as error:
            raise AuthenticationFailed from error

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer errors as problems, whatever the host's setting."""
        return problems.handle


def answers(good: dict[int, Any], *bad: int) -> dict[Any, Any]:
    """Name the answers of an operation for the schema: the good ones, those that any may give, and `bad` ones."""
    common = (401, 403, 406, 429)
    return {**good, **{(status, MEDIA_TYPE): ProblemSerializer for status in sorted({*common, *bad})}}


def described(**said: Any) -> Callable[[Any], Any]:
    """Describe an operation as `extend_schema` does, whatever the host's DEFAULT_SCHEMA_CLASS is."""

    def decorate(method: Any) -> Any:
        method.kwargs = {"schema": AutoSchema, **getattr(method, "kwargs", {})}
        return extend_schema(**said)(method)

    return decorate


def record(request: Request, row: Model, text: Any) -> None:
    """Write an act into the history that the admin shows, where the host has the admin."""
    if request.user.pk is None or not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import CHANGE, LogEntry

    LogEntry.objects.log_actions(
        user_id=str(request.user.pk), queryset=[row], action_flag=CHANGE, change_message=f"{text} (REST API)"
    )


def who(request: Request) -> str:
    """Give the name under which an act is recorded."""
    return str(request.user.get_username())
