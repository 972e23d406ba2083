"""The store in the office: products, orders with their lines, refunds and cancellations with a confirmation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from elevate_integration.admin.box import ElevateOrderAdminMixin
from example_project.store import services
from example_project.store.models import LineAttendee, Order, OrderLine, Payment, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products."""

    list_display = ("sku", "title", "kind", "price", "hours", "active")
    list_display_links = ("sku", "title")
    list_filter = ("kind", "active")
    search_fields = ("sku", "title")
    prepopulated_fields = {"slug": ("title",)}


class ReadOnlyInline(admin.TabularInline):
    """Rows that only the store itself writes."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds a row by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a row by hand."""
        return False


class LineInline(ReadOnlyInline):
    """What was ordered."""

    model = OrderLine
    fields = ("sku", "title", "quantity", "price", "amount", "amount_refunded", "refunded_at", "refund")
    readonly_fields = ("refund",)

    @admin.display(description="")
    def refund(self, line: OrderLine) -> str:
        """Lead to the refund of this line."""
        if line.order.status != Order.Status.PAID or line.refunded_at is not None:
            return ""
        url = reverse("admin:store_order_refund", args=[line.order_id])
        return format_html('<a href="{}?line={}">Refund this line…</a>', url, line.pk)


class AttendeeInline(admin.TabularInline):
    """Who takes the places."""

    model = LineAttendee
    extra = 0
    verbose_name = "named learner"
    verbose_name_plural = "named learners"
    # Narrow enough for five fields in a row.
    formfield_overrides = {
        models.CharField: {"widget": forms.TextInput(attrs={"size": 14})},
        models.EmailField: {"widget": forms.EmailInput(attrs={"size": 22})},
        models.PositiveSmallIntegerField: {"widget": forms.NumberInput(attrs={"style": "width: 4em"})},
    }
    fields = ("line", "position", "first_name", "last_name", "email")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the lines of this order only."""
        if db_field.name == "line" and request.resolver_match is not None:
            order_pk = request.resolver_match.kwargs.get("object_id")
            kwargs["queryset"] = OrderLine.objects.filter(order_id=order_pk, has_seats=True)
            kwargs["widget"] = forms.Select(attrs={"style": "max-width: 14em"})
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class PaymentInline(ReadOnlyInline):
    """Money in and out."""

    model = Payment
    fields = readonly_fields = ("made_at", "amount")


@admin.register(Order)
class OrderAdmin(ElevateOrderAdminMixin, admin.ModelAdmin):
    """Orders. Money is moved by the two actions only."""

    list_display = ("__str__", "member", "status", "total", "placed_at")
    list_filter = ("status", "placed_at")
    search_fields = (
        "=id",
        "member__last_name",
        "member__first_name",
        "member__email",
        "member__member_number",
    )
    list_select_related = ("member",)
    fields = readonly_fields = ("member", "status", "total", "placed_at", "updated_at")
    inlines = (LineInline, AttendeeInline, PaymentInline)
    actions = ("refund_orders", "cancel_orders")
    # The order's page in the store is for its buyer only.
    view_on_site = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """Leave out open carts."""
        return super().get_queryset(request).exclude(placed_at=None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Orders are placed in the store."""
        return False

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Whether this person may move money."""
        return request.user.has_perm("store.refund_order")

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which lines are chosen for a refund."""
        page = self.admin_site.admin_view(self.refund_view)
        return [path("<int:pk>/refund/", page, name="store_order_refund"), *super().get_urls()]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Save the named learners, and with them the order's date of change."""
        super().save_related(request, form, formsets, change)
        form.instance.save(update_fields=["updated_at"])

    def refund_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Choose lines, see the sum, confirm."""
        order = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_refund_permission(request):
            raise PermissionDenied
        lines = list(order.lines.filter(refunded_at=None))
        if request.method == "POST":
            wanted = [line for line in lines if str(line.pk) in request.POST.getlist("line")]
            self._refund(request, order, wanted)
            return HttpResponseRedirect(reverse("admin:store_order_change", args=[pk]))
        asked = request.GET.getlist("line") or [str(line.pk) for line in lines]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Refund lines of order {pk}",
            "order": order,
            "lines": lines,
            "asked": [line.pk for line in lines if str(line.pk) in asked],
        }
        return TemplateResponse(request, "admin/store/order/refund.html", context)

    @admin.action(description="Refund selected orders…", permissions=["refund"])
    def refund_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Give back everything that was paid for these orders."""
        if "confirmed" not in request.POST:
            return self._ask(request, queryset, action="refund_orders", verb="Refund")
        for order in queryset:
            self._refund(request, order, None)
        return None

    @admin.action(description="Cancel selected orders without a refund…", permissions=["refund"])
    def cancel_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Cancel these orders; the money stays."""
        if "confirmed" not in request.POST:
            return self._ask(request, queryset, action="cancel_orders", verb="Cancel")
        for order in queryset:
            self._cancel(request, order)
        return None

    def _ask(
        self, request: HttpRequest, queryset: QuerySet[Order], *, action: str, verb: str
    ) -> HttpResponse:
        orders = list(queryset.select_related("member").prefetch_related("lines"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{verb} orders",
            "orders": orders,
            "action": action,
            "verb": verb,
            "refunds": action == "refund_orders",
        }
        return TemplateResponse(request, "admin/store/order/confirm.html", context)

    def _refund(self, request: HttpRequest, order: Order, lines: list[OrderLine] | None) -> None:
        if lines == []:
            self.message_user(request, "No line was chosen, so nothing was refunded.", messages.WARNING)
            return
        try:
            amount = services.refund(order, lines)
        except services.StoreError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        self.log_change(request, order, f"Refunded {amount}.")
        self.message_user(request, f"{order}: ${amount} refunded.", messages.SUCCESS)

    def _cancel(self, request: HttpRequest, order: Order) -> None:
        try:
            services.cancel(order)
        except services.StoreError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        self.log_change(request, order, "Cancelled without a refund.")
        self.message_user(request, f"{order} is cancelled.", messages.SUCCESS)
