"""The differences with Elevate's report: what waits for a decision, one explained, and the decisions, each asked first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import formats
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from elevate_integration import overview, staff
from elevate_integration.admin import show
from elevate_integration.admin.base import (
    address,
    address_if_there,
    may,
    must,
    must_post,
    record,
    render,
    tell_reasons,
    who,
)
from elevate_integration.admin.difference_show import decided, is_open, kind, numbers, product_url
from elevate_integration.admin.difference_words import FALSE_ALARMS, KINDS, VERDICTS, Verdict
from elevate_integration.admin.filters import ProductFilter
from elevate_integration.admin.listing import LongListPage
from elevate_integration.admin.overview import SEES_DAYS, SEES_DIFFERENCES
from elevate_integration.models import ProductMapping
from elevate_integration.reconciled import Discrepancy
from elevate_integration.staff import comparing

_LISTED = 20
Decision = Discrepancy.Decision


class NoteForm(forms.Form):
    """What goes with a decision."""

    note = forms.CharField(
        label=_("Note"),
        max_length=comparing.NOTE_LIMIT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text=_("Why, for whoever looks later. Empty: a note that is there stays."),
    )


class DecisionFilter(admin.SimpleListFilter):
    """What is decided. Without a choice, what waits for a decision is listed."""

    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Give the decisions, what is no longer true, and all."""
        return [
            (str(Decision.EXPECTED), Decision.EXPECTED.label),
            (str(Decision.MENDED), Decision.MENDED.label),
            ("closed", _("no longer true")),
            ("all", _("all")),
        ]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Say what is listed without a choice."""
        first, *others = super().choices(changelist)
        yield {**first, "display": _("waits for a decision")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep the rows of the choice."""
        value = self.value()
        if value == "all":
            return queryset
        if value == "closed":
            return queryset.exclude(closed_at=None)
        if value in Decision.values:
            return queryset.filter(decision=value, closed_at=None)
        return queryset.waiting()


class DifferenceProductFilter(ProductFilter):
    """One product mapping, whether the difference has a registration here or not."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows of the chosen mapping."""
        value = self.value() or ""
        mapping = (
            ProductMapping.objects.filter(pk=value).first() if value.isascii() and value.isdigit() else None
        )
        if mapping is None:
            return queryset
        there = Q(registration=None, remote_product_id=mapping.remote_product_id)
        return queryset.filter(Q(registration__mapping=mapping) | there)


def _menu_entry(verdict: Verdict) -> Callable[..., HttpResponse]:
    """Give the list's menu entry for a decision: it leads to the page that asks. Nothing is decided yet."""

    def ask(page: DiscrepancyAdmin, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        rows = page.chosen_in_list(request, queryset)
        if not rows:
            return HttpResponseRedirect(page.list_url(request))
        return page.ask(request, verdict, rows, NoteForm())

    ask.__name__ = verdict.decision
    return admin.action(description=verdict.label)(ask)


class DiscrepancyAdmin(LongListPage):
    """What differs between the registrations here and Elevate's report."""

    seen_by = SEES_DIFFERENCES
    list_display = ("kind_and_decision", "product", "learner", "day_and_numbers")
    list_display_links = ("product",)
    list_filter = (DecisionFilter, "kind", DifferenceProductFilter)
    list_select_related = ("day", "registration", "registration__mapping")
    actions = [_menu_entry(verdict) for verdict in VERDICTS.values()]
    search_fields = ("report_id",)
    search_help_text = _("A whole order number, e-mail address, last name, registration ID or user ID.")
    fieldsets = (
        (
            _("In the report"),
            {
                "fields": (
                    "report_id", "transaction_at", "remote_product_id", "product_title", "remote_user_id", "email",
                )
            },
        ),
        (_("When"), {"fields": ("first_seen_at", "last_seen_at", "closed_at")}),
    )  # fmt: skip

    @admin.display(description=_("difference"), ordering="kind")
    def kind_and_decision(self, row: Discrepancy) -> str:
        """Show the kind, and what was decided."""
        return format_html("{}{}", kind(row), decided(row))

    @admin.display(description=_("product"))
    def product(self, row: Discrepancy) -> str:
        """Show the product by its title in the store, or as Elevate names it."""
        if row.registration is not None:
            return overview.product_of(row.registration)
        return row.product_title or row.remote_product_id or "-"

    @admin.display(description=_("learner"))
    def learner(self, row: Discrepancy) -> str:
        """Show the learner as far as known."""
        if row.registration is not None:
            return show.learner(row.registration)
        return row.email or row.remote_user_id or gettext("nobody named")

    @admin.display(description=_("day"), ordering="day__day")
    def day_and_numbers(self, row: Discrepancy) -> str:
        """Show the day, and what differs in numbers."""
        return format_html(
            '{}<br><span class="help">{}</span>',
            formats.date_format(row.day.day, "SHORT_DATE_FORMAT"),
            numbers(row),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search along indexes."""
        term = search_term.strip()
        if not term:
            return queryset, False
        there = Q(report_id=term) | Q(remote_user_id=term) | Q(email__iexact=term)
        return queryset.filter(Q(registration__in=staff.find(term)) | there), False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow the link from a day besides the filters."""
        return lookup == "day" or super().lookup_allowed(lookup, value, request)

    def get_urls(self) -> list[Any]:
        """Add the page that asks before a decision and writes it down."""
        decide = self.admin_site.admin_view(self.decide_view)
        return [
            path("decide/<slug:name>/", decide, name="elevate_integration_discrepancy_decide"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Offer the decisions to those who may decide."""
        # Django 6.1 says where the menu stands; before, there was only the list.
        place = {} if action_location is None else {"action_location": action_location}
        offered = super().get_actions(request, **place)
        return {name: one for name, one in offered.items() if name in VERDICTS and self._may_decide(request)}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what the report said where it said nothing."""
        found = super().get_fieldsets(request, obj)
        return [one for one in found if any(getattr(obj, name, None) for name in _flat(one))]

    def _days_url(self, request: HttpRequest) -> str:
        return address_if_there(self, "changelist", model="reconciledday") if may(request, *SEES_DAYS) else ""

    @staticmethod
    def _may_decide(request: HttpRequest) -> bool:
        return may(request, "decide_discrepancy")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with what to know before deciding."""
        more = {
            "days_url": self._days_url(request),
            "false_alarms": FALSE_ALARMS.values(),
            "kinds": [(one.label, KINDS[one]) for one in Discrepancy.Kind],
        }
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one difference with its explanation and the decisions."""
        row = self.get_object(request, object_id)
        more = {} if row is None else self._explanation(request, row)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def _explanation(self, request: HttpRequest, row: Discrepancy) -> dict[str, Any]:
        explained = KINDS[row.kind]
        ours = row.registration
        offered = [v for v in VERDICTS.values() if row.closed_at is None and v.decision != row.decision]
        return {
            "title": _("Difference %(number)s") % {"number": row.pk},
            "subtitle": None,
            "row": row,
            "kind": kind(row),
            "tone": explained.tone if is_open(row) else "quiet",
            "explained": explained,
            "alarms": [FALSE_ALARMS[name] for name in explained.alarms],
            "numbers": numbers(row),
            "decided": decided(row),
            "ours": ours,
            "ours_status": show.status(ours) if ours else "",
            "ours_url": address_if_there(self, "change", ours.pk, model="registration")
            if ours and may(request, "view_registration")
            else "",
            "learner": self.learner(row),
            "member": show.member(ours) if ours else row.remote_user_id,
            "product": self.product(row),
            "product_link": show.link(url, gettext("its page at Elevate"), rel="noopener")
            if (url := product_url(row))
            else "",
            "order": show.order(ours.order_ref) if ours else "",
            "day": formats.date_format(row.day.day, "DATE_FORMAT"),
            "days_url": self._days_url(request),
            "verdicts": [(one, address(self, "decide", one.decision)) for one in offered]
            if self._may_decide(request)
            else [],
        }

    def decide_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask before a decision; write it down when the page was confirmed."""
        refused = must_post(request)
        if refused is not None:
            return refused
        verdict = VERDICTS.get(name)
        if verdict is None:
            raise Http404
        must(self.has_view_permission(request) and self._may_decide(request))
        rows = self.chosen_on_page(request)
        if not rows:
            return HttpResponseRedirect(self.list_url(request))
        confirmed = "confirm" in request.POST
        form = NoteForm(request.POST) if confirmed else NoteForm(initial=_note_of(rows))
        if not confirmed or not form.is_valid():
            return self.ask(request, verdict, rows, form)
        acted = comparing.decide(
            [row.pk for row in rows], verdict.decision, note=form.cleaned_data["note"], actor=who(request)
        )
        done = set(acted.done)
        record(request, [row for row in rows if row.pk in done], _("%(act)s.") % {"act": verdict.label})
        self._tell(request, verdict, acted)
        return HttpResponseRedirect(self._back(request, rows))

    def ask(
        self, request: HttpRequest, verdict: Verdict, rows: list[Discrepancy], form: NoteForm
    ) -> HttpResponse:
        """Show the page that asks before a decision."""
        listed = rows[:_LISTED]
        return render(
            self,
            request,
            "discrepancy/decide.html",
            title=verdict.label,
            verdict=verdict,
            form=form,
            number=len(rows),
            rows=[(kind(row), self.product(row), self.learner(row), row, numbers(row)) for row in listed],
            more=len(rows) - len(listed),
            pks=",".join(str(row.pk) for row in rows),
            detail="detail" in request.POST and len(rows) == 1,
            action=self.keep_filters(request, address(self, "decide", verdict.decision)),
            back=self._back(request, rows),
        )

    def _tell(self, request: HttpRequest, verdict: Verdict, acted: staff.Acted) -> None:
        number = len(acted.done)
        if number:
            text = ngettext("%(act)s: %(number)s difference.", "%(act)s: %(number)s differences.", number)
            self.message_user(request, text % {"act": verdict.label, "number": number}, messages.SUCCESS)
        tell_reasons(
            request,
            acted.left,
            lambda n: ngettext(
                "%(number)s left as it was: %(reason)s.", "%(number)s left as they were: %(reason)s.", n
            ),
        )

    def _back(self, request: HttpRequest, rows: list[Discrepancy]) -> str:
        if "detail" in request.POST and len(rows) == 1:
            return self.keep_filters(request, address(self, "change", rows[0].pk))
        return self.list_url(request)


def _flat(fieldset: Any) -> list[str]:
    return [str(name) for name in fieldset[1]["fields"]]


def _note_of(rows: list[Discrepancy]) -> dict[str, str]:
    return {"note": rows[0].note} if len(rows) == 1 else {}
