"""The site's addresses: ours come before Tendenci's, which end in one that takes everything."""

from __future__ import annotations

from django.urls import include, path
from tendenci.urls import *  # noqa: F403
from tendenci.urls import urlpatterns as _tendenci

urlpatterns = [path("elevate/", include("elevate_integration.urls")), *_tendenci]
