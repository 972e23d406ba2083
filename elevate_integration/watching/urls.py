"""The addresses for monitors: a host includes them under an address of its choice, `/elevate/watch/` for example."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from elevate_integration.watching import views

app_name = "elevate_integration_watching"
urlpatterns: list[URLPattern | URLResolver] = [
    path("live/", views.live, name="live"),
    path("ready/", views.ready, name="ready"),
    path("delivery/", views.delivery, name="delivery"),
    path("metrics/", views.metrics, name="metrics"),
]
