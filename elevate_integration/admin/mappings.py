"""Product mappings: which product of the store is which product in Elevate. Deactivated rather than deleted."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.widgets import AdminURLFieldWidget
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Paginator
from django.db import models, transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import staff
from elevate_integration.admin import show
from elevate_integration.admin.base import address, may, must, must_post, record, render, who
from elevate_integration.admin.forms import HttpsURLField, MappingForm
from elevate_integration.admin.mapping_list import MappingColumns
from elevate_integration.admin.transfer import Transfer
from elevate_integration.conf import order_source
from elevate_integration.events import event, get_logger
from elevate_integration.models import ProductMapping, UnmappedSale

logger = get_logger(__name__)

_OFFERED = 20
_PREFILLED = ("product_key", "product_title", "remote_product_id", "remote_registration_url")
_SHOWN = 20
_SHEET_ROWS = 500
# Stands for the Remote Product ID in the landing address that the picker's script completes.
_ID = "REMOTE-PRODUCT-ID"


class ProductMappingAdmin(Transfer, MappingColumns):
    """The one table that staff fill in by hand."""

    form = MappingForm
    list_filter = ("active", "not_for_elevate")
    search_fields = ("product_title", "product_key", "remote_product_id", "remote_registration_url")
    search_help_text = _("Title, product key or Remote Product ID.")
    ordering = ("product_title", "pk")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ("activate", "deactivate")
    formfield_overrides = {models.URLField: {"form_class": HttpsURLField, "widget": AdminURLFieldWidget}}
    change_list_template = "admin/elevate_integration/productmapping/change_list.html"
    change_form_template = "admin/elevate_integration/productmapping/change_form.html"

    class Media:
        css = {"all": ["elevate_integration/admin.css", "elevate_integration/mappings.css"]}
        js = ["elevate_integration/product_picker.js"]

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
        """Add the picker's source, the set-up sheet, the check of addresses and the retry of what was refused."""
        views = {
            "products": self.products_view,
            "sheet": self.sheet_view,
            "check": self.check_view,
            "retry": self.retry_view,
        }
        # The check speaks HTTP, so a host's ATOMIC_REQUESTS opens no transaction around it.
        ours = [
            path(
                f"{name}/",
                transaction.non_atomic_requests(self.admin_site.admin_view(view)),
                name=f"elevate_integration_productmapping_{name}",
            )
            for name, view in views.items()
        ]
        return [*ours, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with the number of unmapped sales, and the buttons that the person may press."""
        sales = self.admin_site.get_model_admin(UnmappedSale)
        context = {
            "sold_unmapped": UnmappedSale.objects.open().count() if sales.has_view_permission(request) else 0,
            "sold_unmapped_url": address(self, "changelist", model="unmappedsale"),
            "sheet_url": address(self, "sheet"),
            "check_url": address(self, "check") if self.has_change_permission(request) else "",
            **self.transfer_links(request),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def products_view(self, request: HttpRequest) -> HttpResponse:
        """Give the store's products that match `q`. A store that cannot be asked gives none, and says so."""
        must(self.has_add_permission(request) or self.has_change_permission(request))
        try:
            found = list(order_source().products(request.GET.get("q", "")[:200], _OFFERED))[:_OFFERED]
        except Exception:
            logger.exception(
                "The order source could not give its products.",
                extra=event("elevate.source.failed", method="products"),
            )
            return JsonResponse(
                {"products": [], "error": str(_("The store's products cannot be read at present."))}
            )
        landing = _landing(request)
        products = [
            {
                "key": p.key,
                "title": p.title,
                "remote_product_id": p.remote_product_id,
                "url": request.build_absolute_uri(p.url) if p.url else "",
                "note": "" if p.active else str(_("not on sale")),
            }
            for p in found
        ]
        return JsonResponse({"products": products, "landing": landing, "landing_id": _ID if landing else ""})

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

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Show beside the form what looks wrong, whether the address answers, and the seats already sold."""
        obj = kwargs.get("obj")
        key = obj.product_key if obj else request.GET.get("product_key", "")
        seats = UnmappedSale.objects.open().of_product(key) if key else UnmappedSale.objects.none()
        shown = show.seats_sold(seats) if self._asks_about_past(request, obj) else []
        context = {
            **context,
            "mapping_warnings": self._warnings(request, obj) if obj else [],
            "past_seats": shown,
            "past_more": max(seats.count() - len(shown), 0) if shown else 0,
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def _warnings(self, request: HttpRequest, mapping: ProductMapping) -> list[Any]:
        return staff.mapping_warnings(mapping, is_own=staff.is_own_host(request.get_host()))

    def save_model(self, request: HttpRequest, obj: ProductMapping, form: Any, change: bool) -> None:  # noqa: FBT001
        """Save, then say what this means for other mappings, for what was refused and for what was sold before."""
        if "remote_registration_url" in form.changed_data:
            obj.forget_address_check()
        super().save_model(request, obj, form, change)
        # Who goes on editing reads them beside the form.
        if "_continue" not in request.POST:
            for text in self._warnings(request, obj):
                self.message_user(request, text, messages.WARNING)
        if change and {"remote_product_id", "active"} & set(form.changed_data) and obj.sells:
            self.follow(request, [obj])
        if obj.not_for_elevate:
            self.settle_past(request, obj, apply=False)
        elif "apply_past" in form.cleaned_data and obj.sells and self._was_asked(request, obj, change=change):
            self.settle_past(request, obj, apply=form.cleaned_data["apply_past"])
        elif not self._asks_next(request, obj, change=change):
            self.remind_of_past(request, [obj])

    def _was_asked(self, request: HttpRequest, mapping: ProductMapping, *, change: bool) -> bool:
        """Tell whether the question about past sales was about this product, and not about one typed over."""
        return change or request.GET.get("product_key") == mapping.product_key

    def _may_decide(self, request: HttpRequest) -> bool:
        sales = self.admin_site.get_model_admin(UnmappedSale)
        return may(request, "map_product") and bool(sales.has_view_permission(request))

    def _asks_next(self, request: HttpRequest, mapping: ProductMapping, *, change: bool) -> bool:
        """Tell whether the page after this one asks about the seats sold before: after a plain save of a new mapping."""
        plain = not change and "_continue" not in request.POST and "_addanother" not in request.POST
        open_sales = UnmappedSale.objects.open().of_product(mapping.product_key)
        return plain and mapping.sells and self._may_decide(request) and bool(open_sales.exists())

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """Ask about seats sold before that the form did not show."""
        response = super().response_add(request, obj, post_url_continue)
        if not self._asks_next(request, obj, change=False):
            return response
        return HttpResponseRedirect(self._decide_url(obj))

    def _decide_url(self, mapping: ProductMapping) -> str:
        query = urlencode({"product_key": mapping.product_key, "product_title": mapping.product_title})
        return f"{address(self, 'decide', 'apply', model='unmappedsale')}?{query}"

    def follow(self, request: HttpRequest, mappings: list[ProductMapping]) -> None:
        """Let waiting registrations follow mended mappings, and offer to try again what was refused."""
        pks = [mapping.pk for mapping in mappings]
        number = staff.follow_mappings(pks)
        if not number:
            return
        text = ngettext(
            "%(number)s registration of this product was refused before.",
            "%(number)s registrations of this product were refused before.",
            number,
        )
        ask = f"{address(self, 'retry')}?{urlencode({'mapping': pks}, doseq=True)}"
        self._offer(request, text % {"number": number}, ask, _("Try again…"))

    def _offer(self, request: HttpRequest, text: str, url: str, label: Any) -> None:
        button = format_html(
            '{} <a class="button elevate-offer" href="{}">{}</a>' if url else "{}", text, url, label
        )
        self.message_user(request, button, messages.WARNING)

    def settle_past(self, request: HttpRequest, mapping: ProductMapping, *, apply: bool) -> None:
        """Decide about the seats sold before, and say how many there were."""
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

    def remind_of_past(self, request: HttpRequest, mappings: list[ProductMapping]) -> None:
        """Say how many seats of newly mapped products were sold before, and lead to the decision about them."""
        selling = {mapping.product_key: mapping for mapping in mappings if mapping.sells}
        groups = UnmappedSale.objects.open().values_list("product_keys").annotate(seats=Count("pk"))
        sold = [
            (mapping, seats)
            for keys, seats in (groups.order_by("product_keys") if selling else ())
            for mapping in [next((selling[k] for k in keys.split("\n") if k in selling), None)]
            if mapping is not None
        ]
        if not sold:
            return
        number = sum(seats for _mapping, seats in sold)
        text = ngettext(
            "%(number)s seat of this product was sold before and is not registered.",
            "%(number)s seats of this product were sold before and are not registered.",
            number,
        )
        one = len({mapping.product_key for mapping, _seats in sold}) == 1
        url = self._decide_url(sold[0][0]) if one else address(self, "changelist", model="unmappedsale")
        label = _("Decide about them.")
        self._offer(request, text % {"number": number}, url if self._may_decide(request) else "", label)

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
            self.follow(request, [mapping for mapping in changed if mapping.sells])
            self.remind_of_past(request, changed)

    def retry_view(self, request: HttpRequest) -> HttpResponse:
        """Show what a mended mapping may have mended; try it again when the page was confirmed."""
        must(self.has_change_permission(request))
        given = request.POST if request.method == "POST" else request.GET
        pks = [int(pk) for pk in given.getlist("mapping")[:_SHEET_ROWS] if pk.isascii() and pk.isdigit()]
        mappings = [m for m in ProductMapping.objects.filter(pk__in=pks).order_by("pk") if m.sells]
        pks = [mapping.pk for mapping in mappings]
        if request.method == "POST":
            return self._retry(request, mappings)
        refused = staff.refused_of(pks)
        rows = list(refused.defer("cancel_details")[:_SHOWN])
        number = refused.count()
        return render(
            self,
            request,
            "productmapping/retry.html",
            title=_("Try again what was refused"),
            pks=pks,
            number=number,
            rows=[(show.status(r), r.product_title, show.learner(r), r) for r in rows],
            more=number - len(rows),
            action=address(self, "retry"),
            back=address(self, "changelist"),
        )

    def _retry(self, request: HttpRequest, mappings: list[ProductMapping]) -> HttpResponse:
        number = len(staff.mapping_changed([mapping.pk for mapping in mappings], actor=who(request)).done)
        text = ngettext(
            "%(number)s refused registration is tried again.",
            "%(number)s refused registrations are tried again.",
            number,
        ) % {"number": number}
        if number:
            record(request, mappings, text)
        self.message_user(request, text, messages.SUCCESS if number else messages.INFO)
        return HttpResponseRedirect(address(self, "changelist"))

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether the addresses answer; the list shows what came of it."""
        refused = must_post(request)
        if refused is not None:
            return refused
        must(self.has_change_permission(request))
        checked = staff.check_addresses()
        asked = checked.answering + checked.failing
        text = ngettext(
            "%(number)s address was checked; %(failing)s does not answer.",
            "%(number)s addresses were checked; %(failing)s do not answer.",
            asked,
        ) % {"number": asked, "failing": checked.failing}
        if checked.left:
            text += " " + ngettext(
                "%(number)s was not reached in time: check again for it.",
                "%(number)s were not reached in time: check again for them.",
                checked.left,
            ) % {"number": checked.left}
        # An act on the list as a whole: no single mapping has it in its history.
        LogEntry.objects.create(
            user_id=str(request.user.pk),
            content_type=ContentType.objects.get_for_model(ProductMapping),
            object_repr=str(self.opts.verbose_name_plural),
            action_flag=CHANGE,
            change_message=text,
        )
        self.message_user(request, text, messages.WARNING if checked.failing else messages.SUCCESS)
        return HttpResponseRedirect(address(self, "changelist"))

    def sheet_view(self, request: HttpRequest) -> HttpResponse:
        """Show what has to be typed into each Elevate product, for the screen and for paper."""
        must(self.has_view_permission(request))
        mappings = ProductMapping.objects.filter(active=True, not_for_elevate=False)
        pages = Paginator(mappings.order_by("product_title", "product_key", "pk"), _SHEET_ROWS)
        return render(
            self,
            request,
            "productmapping/sheet.html",
            title=_("Set-up sheet for Elevate"),
            page=pages.get_page(request.GET.get("p")),
            back=address(self, "changelist"),
        )


def _landing(request: HttpRequest) -> str:
    """Give this package's own landing address with `_ID` in it; "" where the host does not serve it."""
    try:
        url = reverse("elevate_integration:register", kwargs={"remote_product_id": _ID})
    except NoReverseMatch:
        return ""
    return request.build_absolute_uri(url)
