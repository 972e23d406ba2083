"""The example's addresses, and those that it leaves out: every list of addresses that the package has."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from example_project import urls

_WATCHING = "elevate_integration.watching.urls"

urlpatterns: list[URLPattern | URLResolver] = [
    path("watch/", include(_WATCHING)),
    *(one for one in urls.urlpatterns if _WATCHING not in str(getattr(one, "urlconf_name", ""))),
]
