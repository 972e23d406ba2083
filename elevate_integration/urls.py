"""The pages for members and buyers: a host includes them under an address of its choice, `/elevate/` for example."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from elevate_integration.views import courses, landing, seats

app_name = "elevate_integration"
urlpatterns: list[URLPattern | URLResolver] = [
    # A path, since a Remote Product ID may hold slashes.
    path("register/<path:remote_product_id>/", landing.register, name="register"),
    path("courses/", courses.courses, name="courses"),
    path("courses/state/", courses.state, name="state"),
    path("seats/<str:ticket>/", seats.by_link, name="seats"),
    path("seats/order/<path:order_ref>/", seats.by_buyer, name="seats_of_order"),
]
