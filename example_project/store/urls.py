"""Addresses of the store."""

from __future__ import annotations

from django.urls import path

from example_project.store import views

app_name = "store"

urlpatterns = [
    path("", views.catalogue, name="catalogue"),
    path("products/<slug:slug>/", views.product, name="product"),
    path("products/<slug:slug>/add/", views.add, name="add"),
    path("cart/", views.cart, name="cart"),
    path("cart/lines/<int:pk>/", views.cart_line, name="cart_line"),
    path("checkout/", views.checkout, name="checkout"),
    path("orders/", views.orders, name="orders"),
    path("orders/<int:pk>/", views.order, name="order"),
    path("orders/lines/<int:pk>/seats/", views.seats, name="seats"),
]
