"""A host that has the addresses for monitors."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("watch/", include("elevate_integration.watching.urls"))]
