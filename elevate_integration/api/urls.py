"""The addresses of the REST API: a host includes them under an address of its choice, `/api/` for example."""

from __future__ import annotations

from importlib.util import find_spec

from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, path, re_path
from rest_framework.routers import SimpleRouter

_missing = [name for name in ("django_filters", "drf_spectacular") if find_spec(name) is None]
if _missing:
    raise ImproperlyConfigured(
        f"elevate_integration.api.urls needs {' and '.join(_missing)}: "
        "install django-elevate-integration[api], or take the addresses out of your URLconf."
    )

from elevate_integration.api.health import HealthView  # noqa: E402
from elevate_integration.api.mappings import MappingViewSet  # noqa: E402
from elevate_integration.api.me import MyCoursesView  # noqa: E402
from elevate_integration.api.orders import OrderSyncView, OrderView  # noqa: E402
from elevate_integration.api.registrations import RegistrationViewSet  # noqa: E402
from elevate_integration.api.schema import NowhereView, SchemaView  # noqa: E402

app_name = "elevate_integration_api"

_router = SimpleRouter()
_router.register("v1/mappings", MappingViewSet, basename="mapping")
_router.register("v1/registrations", RegistrationViewSet, basename="registration")

# A reference is any text: slashes and line feeds too.
_REF = r"(?P<ref>[\s\S]+)"

urlpatterns: list[URLPattern | URLResolver] = [
    *_router.urls,
    re_path(rf"^v1/orders/{_REF}/sync/\Z", OrderSyncView.as_view(), name="order-sync"),
    re_path(rf"^v1/orders/{_REF}/\Z", OrderView.as_view(), name="order"),
    path("v1/me/courses/", MyCoursesView.as_view(), name="my-courses"),
    path("v1/health/", HealthView.as_view(), name="health"),
    path("schema/", SchemaView.as_view(), name="schema"),
    re_path(r"^[\s\S]*\Z", NowhereView.as_view(), name="nowhere"),
]
