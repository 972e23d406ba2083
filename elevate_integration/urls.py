"""The pages for members and buyers: a host includes them under an address of its choice, `/elevate/` for example."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "elevate_integration"
urlpatterns: list[URLPattern | URLResolver] = []
