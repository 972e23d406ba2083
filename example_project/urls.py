"""Addresses of the example project."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularSwaggerView

from example_project.store.context import ASSOCIATION

admin.site.site_header = ASSOCIATION
admin.site.site_title = ASSOCIATION
admin.site.index_title = "Office"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("elevate/watch/", include("elevate_integration.watching.urls")),
    path("elevate/", include("elevate_integration.urls")),
    path(
        "api/docs/",
        SpectacularSwaggerView.as_view(url_name="elevate_integration_api:schema"),
        name="api-docs",
    ),
    path("api/", include("elevate_integration.api.urls")),
    path("", include("example_project.members.urls")),
    path("", include("example_project.store.urls")),
]
