"""Unmapped sales, by product: map them, say that they are not for Elevate, or decide about the past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Max
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import staff
from elevate_integration.admin.base import ListOnlyPage, address, may, must, record, render, who
from elevate_integration.admin.show import moment, seats_sold
from elevate_integration.models import ProductMapping, UnmappedSale
from elevate_integration.staff import Decided

if TYPE_CHECKING:
    from elevate_integration.words import Text

_PER_PAGE = 50


@dataclass(frozen=True)
class Decision:
    """One thing to decide about a product's past sales."""

    name: str
    label: Text
    what: Text
    run: Callable[..., Decided]


_DECISIONS = {
    decision.name: decision
    for decision in (
        Decision(
            "not_for_elevate",
            _("Not for Elevate"),
            _(
                "The product has no course in Elevate: it leaves this list, and new sales of it do not come back."
            ),
            lambda key, title, actor: staff.not_for_elevate(key, title, actor=actor),
        ),
        Decision(
            "apply",
            _("Register the past sales"),
            _("The learners of the seats already sold are registered at Elevate."),
            lambda key, title, actor: staff.apply_to_past(key, actor=actor),
        ),
        Decision(
            "leave",
            _("Leave the past sales"),
            _("The seats already sold are not registered; new sales are, if the product is mapped."),
            lambda key, title, actor: staff.leave_past(key, actor=actor),
        ),
    )
}


@dataclass(frozen=True)
class Sold:
    """One product in the list. mapped: it has a mapping by now, so that only the past is open."""

    key: str
    other_keys: list[str]
    title: str
    seats: int
    last_seen: str
    mapped: bool
    map_url: str


class UnmappedSaleAdmin(ListOnlyPage):
    """Sold and paid for, and nobody registered."""

    seen_by = ("view_unmappedsale", "map_product")

    def get_urls(self) -> list[Any]:
        """Add the page that asks before a decision and records it."""
        decide = self.admin_site.admin_view(self.decide_view)
        return [
            path("decide/<slug:name>/", decide, name="elevate_integration_unmappedsale_decide"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the products, those sold most first."""
        must(self.has_view_permission(request))
        groups = (
            UnmappedSale.objects.open()
            .values("product_keys")
            .annotate(seats=Count("pk"), title=Max("product_title"), last_seen=Max("seen_at"))
            .order_by("-seats", "product_keys")
        )
        page = Paginator(groups, _PER_PAGE).get_page(request.GET.get("p"))
        return render(
            self,
            request,
            "unmappedsale/list.html",
            title=capfirst(self.opts.verbose_name_plural),
            page=page,
            products=self._products(list(page)),
            may_map=may(request, "map_product"),
            may_add=may(request, "map_product", "add_productmapping"),
            decide_urls={name: address(self, "decide", name) for name in _DECISIONS},
        )

    def _products(self, groups: list[dict[str, Any]]) -> list[Sold]:
        keys = {
            group["product_keys"]: UnmappedSale(product_keys=group["product_keys"]).keys for group in groups
        }
        every = {key for names in keys.values() for key in names}
        mapped = {m.product_key for m in ProductMapping.objects.filter(product_key__in=every) if m.sells}
        return [self._product(group, keys[group["product_keys"]], mapped) for group in groups]

    def _product(self, group: dict[str, Any], keys: list[str], mapped: set[str]) -> Sold:
        key = next((name for name in keys if name in mapped), keys[0])
        query = urlencode({"product_key": key, "product_title": group["title"]})
        return Sold(
            key=key,
            other_keys=[name for name in keys if name != key],
            title=group["title"] or key,
            seats=group["seats"],
            last_seen=moment(group["last_seen"]),
            mapped=key in mapped,
            map_url=f"{address(self, 'add', model='productmapping')}?{query}",
        )

    def decide_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask before a decision; record it when the page was confirmed. A link may lead to the question only."""
        if request.method not in ("GET", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        given = request.POST if request.method == "POST" else request.GET
        decision = _DECISIONS.get(name)
        key, title = given.get("product_key", ""), given.get("product_title", "")
        if decision is None or not key or len(key) > 150:
            raise Http404
        must(self.has_view_permission(request) and may(request, "map_product"))
        if "confirm" in request.POST:
            return self._decide(request, decision, key, title)
        sales = UnmappedSale.objects.open().of_product(key)
        number, shown = sales.count(), seats_sold(sales)
        return render(
            self,
            request,
            "unmappedsale/decide.html",
            title=decision.label,
            decision=decision,
            key=key,
            product_title=title or key,
            seats=number,
            past_seats=shown,
            past_more=number - len(shown),
            action=address(self, "decide", name),
            leave=_DECISIONS["leave"].label if name == "apply" else "",
            leave_url=address(self, "decide", "leave"),
            back=address(self, "changelist"),
        )

    def _decide(self, request: HttpRequest, decision: Decision, key: str, title: str) -> HttpResponse:
        decided = decision.run(key, title, who(request))
        if decided.reason:
            text = _("%(act)s was not possible: %(reason)s.") % {
                "act": decision.label,
                "reason": decided.reason,
            }
            self.message_user(request, text, messages.WARNING)
        else:
            done = ngettext("%(act)s: %(number)s seat.", "%(act)s: %(number)s seats.", decided.seats)
            text = done % {"act": decision.label, "number": decided.seats}
            # A product without a mapping keeps its history with the latest of its sales.
            sales = UnmappedSale.objects.of_product(key).order_by("-pk")[:1]
            record(request, ProductMapping.objects.filter(product_key=key) or sales, text)
            self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(address(self, "changelist"))
