"""Product mappings: which product of the store is which product in Elevate. Deactivated rather than deleted."""

from __future__ import annotations

import logging
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminURLFieldWidget
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import staff
from elevate_integration.admin.base import address, may, must, record, who
from elevate_integration.admin.forms import HttpsURLField, MappingForm
from elevate_integration.conf import order_source
from elevate_integration.models import ProductMapping, UnmappedSale

logger = logging.getLogger(__name__)

_OFFERED = 20
_PREFILLED = ("product_key", "product_title", "remote_product_id", "remote_registration_url")


class ProductMappingAdmin(admin.ModelAdmin):
    """The one table that staff fill in by hand."""

    form = MappingForm
    list_display = (
        "product_name",
        "product_key",
        "remote_product_id",
        "active",
        "not_for_elevate",
        "send_email",
    )
    list_filter = ("active", "not_for_elevate")
    search_fields = ("product_title", "product_key", "remote_product_id", "remote_registration_url")
    search_help_text = _("Title, product key or Remote Product ID.")
    ordering = ("product_title", "pk")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ("activate", "deactivate")
    formfield_overrides = {models.URLField: {"form_class": HttpsURLField, "widget": AdminURLFieldWidget}}

    class Media:
        css = {"all": ["elevate_integration/admin.css"]}
        js = ["elevate_integration/product_picker.js"]

    @admin.display(description=_("title in the store"), ordering="product_title")
    def product_name(self, mapping: ProductMapping) -> str:
        """Show the title, else the key."""
        return mapping.product_title or mapping.product_key

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let those add who may map."""
        return super().has_add_permission(request) or may(request, "map_product")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those change who may map."""
        return super().has_change_permission(request, obj) or may(request, "map_product")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those look who may map."""
        return super().has_view_permission(request, obj) or may(request, "map_product")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: registrations point here."""
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the app to those who may map."""
        return super().has_module_permission(request) or may(request, "map_product")

    def get_urls(self) -> list[Any]:
        """Add the product picker's source."""
        products = self.admin_site.admin_view(self.products_view)
        return [
            path("products/", products, name="elevate_integration_productmapping_products"),
            *super().get_urls(),
        ]

    def products_view(self, request: HttpRequest) -> HttpResponse:
        """Give the store's products that match `q`. A store that cannot be asked gives none, and says so."""
        must(self.has_add_permission(request) or self.has_change_permission(request))
        try:
            found = list(order_source().products(request.GET.get("q", "")[:200], _OFFERED))[:_OFFERED]
        except Exception:
            logger.exception("The order source could not give its products.")
            return JsonResponse(
                {"products": [], "error": str(_("The store's products cannot be read at present."))}
            )
        return JsonResponse(
            {
                "products": [
                    {"key": p.key, "title": p.title, "remote_product_id": p.remote_product_id, "url": p.url}
                    for p in found
                ]
            }
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the question about past sales only where there are some, to those who may answer."""
        fields = list(MappingForm.Meta.fields)
        if self._asks_about_past(request, obj):
            fields.insert(fields.index("send_email"), "apply_past")
        return fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """Leave the question out of a form that does not ask it."""
        form = super().get_form(request, obj, change, **kwargs)
        if self._asks_about_past(request, obj):
            return form
        base = {name: field for name, field in form.base_fields.items() if name != "apply_past"}
        return type(form.__name__, (form,), {"base_fields": base, "__module__": __name__})

    def _asks_about_past(self, request: HttpRequest, obj: ProductMapping | None) -> bool:
        may_answer = (
            self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        )
        key = obj.product_key if obj is not None else request.GET.get("product_key", "")
        return may_answer and bool(key) and UnmappedSale.objects.open().of_product(key).exists()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Make the product's key a text field that offers the store's products."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "product_key" and field is not None:
            field.widget = forms.TextInput(
                attrs={
                    "class": "vTextField",
                    "autocomplete": "off",
                    "data-elevate-products": address(self, "products"),
                    "data-elevate-none": str(_("No product of the store matches; the key can be typed.")),
                }
            )
            field.help_text = _("Type a part of the title or the key and choose; or type the key itself.")
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Take the product from the link that led here."""
        return {name: request.GET[name] for name in _PREFILLED if name in request.GET}

    def save_model(self, request: HttpRequest, obj: ProductMapping, form: Any, change: bool) -> None:  # noqa: FBT001
        """Save, then say what this means for other mappings, for what was refused and for what was sold before."""
        super().save_model(request, obj, form, change)
        self._warn_of_twins(request, obj)
        if change and {"remote_product_id", "active"} & set(form.changed_data) and obj.sells:
            self._follow(request, [obj])
        if obj.not_for_elevate:
            self._settle_past(request, obj, apply=False)
        elif "apply_past" in form.cleaned_data and obj.sells and self._was_asked(request, obj, change=change):
            self._settle_past(request, obj, apply=form.cleaned_data["apply_past"])
        else:
            self._remind_of_past(request, obj)

    def _was_asked(self, request: HttpRequest, mapping: ProductMapping, *, change: bool) -> bool:
        """Tell whether the question about past sales was about this product, and not about one typed over."""
        return change or request.GET.get("product_key") == mapping.product_key

    def _warn_of_twins(self, request: HttpRequest, mapping: ProductMapping) -> None:
        if not mapping.remote_product_id:
            return
        twins = ProductMapping.objects.filter(remote_product_id=mapping.remote_product_id, active=True)
        names = [str(twin.product_title or twin.product_key) for twin in twins.exclude(pk=mapping.pk)[:5]]
        if names:
            text = _("The Remote Product ID %(id)s is also used by: %(names)s. Check that this is meant.")
            self.message_user(
                request, text % {"id": mapping.remote_product_id, "names": ", ".join(names)}, messages.WARNING
            )

    def _follow(self, request: HttpRequest, mappings: list[ProductMapping]) -> None:
        number = len(staff.mapping_changed([mapping.pk for mapping in mappings], actor=who(request)).done)
        if number:
            text = ngettext(
                "%(number)s refused registration of this product is tried again.",
                "%(number)s refused registrations of this product are tried again.",
                number,
            )
            self.message_user(request, text % {"number": number}, messages.INFO)

    def _settle_past(self, request: HttpRequest, mapping: ProductMapping, *, apply: bool) -> None:
        decide = staff.apply_to_past if apply else staff.leave_past
        number = decide(mapping.product_key, actor=who(request)).seats
        if not number:
            return
        if apply:
            text = ngettext(
                "%(number)s seat already sold is registered now.",
                "%(number)s seats already sold are registered now.",
                number,
            )
        else:
            text = ngettext(
                "%(number)s seat already sold is left as it is.",
                "%(number)s seats already sold are left as they are.",
                number,
            )
        record(request, [mapping], text % {"number": number})
        self.message_user(request, text % {"number": number}, messages.INFO)

    def _remind_of_past(self, request: HttpRequest, mapping: ProductMapping) -> None:
        number = UnmappedSale.objects.open().of_product(mapping.product_key).count()
        if not number or not mapping.sells:
            return
        text = ngettext(
            "%(number)s seat of this product was sold before and is not registered.",
            "%(number)s seats of this product were sold before and are not registered.",
            number,
        )
        self.message_user(
            request,
            format_html(
                '{} <a href="{}">{}</a>',
                text % {"number": number},
                address(self, "changelist", model="unmappedsale"),
                _("Decide about them."),
            ),
            messages.WARNING,
        )

    @admin.action(description=_("Activate the chosen mappings"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Register new sales again."""
        self._set_active(request, queryset, active=True)

    @admin.action(description=_("Deactivate the chosen mappings"), permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Register no new sales; cancel nothing."""
        self._set_active(request, queryset, active=False)

    def _set_active(self, request: HttpRequest, queryset: QuerySet, *, active: bool) -> None:
        changed = list(queryset.exclude(active=active).order_by("pk"))
        for mapping in changed:
            mapping.active = active
            mapping.save(update_fields=["active", "updated_at"])
        record(request, changed, _("Activated.") if active else _("Deactivated."))
        number = len(changed)
        text = (
            ngettext("%(number)s mapping is active.", "%(number)s mappings are active.", number)
            if active
            else ngettext(
                "%(number)s mapping is inactive; nothing is cancelled.",
                "%(number)s mappings are inactive; nothing is cancelled.",
                number,
            )
        )
        self.message_user(request, text % {"number": number}, messages.SUCCESS)
        if active:
            self._follow(request, [mapping for mapping in changed if mapping.sells])
            for mapping in changed:
                self._remind_of_past(request, mapping)
