"""The store's pages. Each asks, calls one function of `services`, and answers; what changes anything is POST."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import formset_factory
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from elevate_integration.members.courses import has_course
from example_project.store import services, waiting
from example_project.store.forms import CardForm, QuantityForm, SeatForm
from example_project.store.models import Order, OrderLine, Product


@require_GET
def catalogue(request: HttpRequest) -> HttpResponse:
    """Everything that is sold, or one kind of it."""
    products = Product.objects.filter(active=True)
    kind = request.GET.get("kind", "")
    if kind in Product.Kind.values:
        products = products.filter(kind=kind)
    return render(
        request, "store/catalogue.html", {"products": products, "kinds": Product.Kind.choices, "kind": kind}
    )


@require_GET
def product(request: HttpRequest, slug: str) -> HttpResponse:
    """One product."""
    found = get_object_or_404(Product, slug=slug)
    owned = has_course(request.user, found.sku)
    return render(
        request,
        "store/product.html",
        {"product": found, "owned": owned, "group_from": services.GROUP_FROM},
    )


@require_POST
def add(request: HttpRequest, slug: str) -> HttpResponse:
    """Put a product in the cart; a visitor logs in first."""
    found = get_object_or_404(Product, slug=slug, active=True)
    if not request.user.is_authenticated:
        waiting.remember(request, found)
        return redirect(f"{reverse('members:login')}?next={reverse('store:cart')}")
    form = QuantityForm(request.POST)
    if not form.is_valid() or not form.cleaned_data["quantity"]:
        messages.error(request, "Please give a quantity between 1 and 50.")
        return redirect(found)
    services.add_to_cart(request.user, found, form.cleaned_data["quantity"])
    messages.success(request, f"“{found.title}” is in your cart.")
    return redirect("store:cart")


@require_GET
@login_required
def cart(request: HttpRequest) -> HttpResponse:
    """What the member is about to buy."""
    found = services.cart_of(request.user)
    return render(request, "store/cart.html", {"cart": found, "lines": found.lines.all() if found else ()})


@require_POST
@login_required
def cart_line(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the quantity of a line; 0 removes it."""
    line = get_object_or_404(OrderLine, pk=pk, order__member=request.user)
    form = QuantityForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Please give a quantity between 0 and 50.")
    else:
        _do(request, services.change_quantity, line, form.cleaned_data["quantity"])
    return redirect("store:cart")


@require_http_methods(["GET", "POST"])
@login_required
def checkout(request: HttpRequest) -> HttpResponse:
    """Pay, pretending."""
    found = services.cart_of(request.user)
    if found is None or not found.lines.exists():
        messages.info(request, "Your cart is empty.")
        return redirect("store:catalogue")
    form = CardForm(request.POST if request.method == "POST" and found.total else None)
    if request.method == "POST" and (not found.total or form.is_valid()):
        card_ok = not found.total or form.cleaned_data["card"] == "ok"
        if _do(request, services.checkout, found, card_ok=card_ok):
            messages.success(request, "Thank you. Your order is paid.")
            return redirect(found)
        return redirect("store:checkout")
    return render(request, "store/checkout.html", {"cart": found, "lines": found.lines.all(), "form": form})


@require_GET
@login_required
def orders(request: HttpRequest) -> HttpResponse:
    """The member's orders."""
    found = Order.objects.filter(member=request.user).exclude(placed_at=None).prefetch_related("lines")
    return render(request, "store/orders.html", {"orders": found})


@require_GET
@login_required
def order(request: HttpRequest, pk: int) -> HttpResponse:
    """One order, as confirmation and for later."""
    found = get_object_or_404(Order.objects.exclude(placed_at=None), pk=pk, member=request.user)
    lines = found.lines.prefetch_related("attendees")
    paid = found.status == Order.Status.PAID
    courses = paid and any(line.has_seats for line in lines)
    data = {"order": found, "lines": lines, "paid": paid, "courses": courses}
    return render(request, "store/order.html", data)


@require_http_methods(["GET", "POST"])
@login_required
def seats(request: HttpRequest, pk: int) -> HttpResponse:
    """Name the people for the places of a line."""
    mine = OrderLine.objects.select_related("order").filter(order__member=request.user, has_seats=True)
    line = get_object_or_404(mine, pk=pk, refunded_at=None, order__status__in=("open", "paid"))
    back = reverse("store:cart") if line.order.placed_at is None else line.order.get_absolute_url()
    formset = formset_factory(SeatForm, extra=0, min_num=line.quantity, max_num=line.quantity)(
        request.POST or None, initial=_named(line)
    )
    if request.method == "POST" and formset.is_valid():
        for position, form in enumerate(formset.forms[: line.quantity], start=1):
            services.name_seat(line, position, **form.cleaned_data)
        messages.success(request, "The places are saved.")
        return redirect(back)
    return render(request, "store/seats.html", {"line": line, "formset": formset, "back": back})


def _named(line: OrderLine) -> list[dict[str, Any]]:
    people = {person.position: person for person in line.attendees.all()}
    fields = ("first_name", "last_name", "email")
    return [{name: getattr(people.get(n), name, "") for name in fields} for n in range(1, line.quantity + 1)]


def _do(request: HttpRequest, act: Any, *args: Any, **kwargs: Any) -> bool:
    """Call a function of the store; what it cannot do is told to the visitor."""
    try:
        act(*args, **kwargs)
    except services.StoreError as error:
        messages.error(request, str(error))
        return False
    return True
