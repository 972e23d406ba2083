"""The registrations: a list that stays quick, a page that explains one, and the acts, each asked before it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from elevate_integration import overview, staff
from elevate_integration.admin import show
from elevate_integration.admin.acts import ACTS, Act
from elevate_integration.admin.base import (
    address,
    may,
    must,
    must_post,
    record,
    render,
    tell_reasons,
    who,
)
from elevate_integration.admin.cancel_form import CancelManyForm, last_texts
from elevate_integration.admin.difference_show import open_differences
from elevate_integration.admin.duplicates import duplicates_view
from elevate_integration.admin.filters import CreatedFilter, ProductFilter, StatusFilter, TroubleFilter
from elevate_integration.admin.forgetting import forget_url, forget_view
from elevate_integration.admin.listing import COUNTED_AT_MOST, LongListPage, RegistrationList
from elevate_integration.admin.seats import seats_url, seats_view
from elevate_integration.admin.timeline import story
from elevate_integration.conf import conf
from elevate_integration.lifecycle import LIVE, Obstacle
from elevate_integration.models import Registration
from elevate_integration.staff import delivery_state
from elevate_integration.words import problems, situation

_LISTED = 20


def _menu_entry(act: Act) -> Callable[..., HttpResponse]:
    """Give the list's menu entry for an act: it leads to the page that asks. Nothing is done yet, whatever was posted."""

    def ask(page: RegistrationAdmin, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        rows = page.chosen_in_list(request, queryset)
        if not rows:
            return HttpResponseRedirect(page.list_url(request))
        return page._ask(request, act, rows, page._form(request, act, rows))

    ask.__name__ = act.name
    return admin.action(description=act.label)(ask)


class RegistrationAdmin(LongListPage):
    """Who is registered for what, what happens next, and what a person can do."""

    list_display = ("status_and_next", "product", "learner_name", "order_and_day")
    list_display_links = ("product",)
    list_filter = (StatusFilter, TroubleFilter, ProductFilter, CreatedFilter)
    list_select_related = ("mapping",)
    actions = [_menu_entry(act) for act in ACTS.values() if act.many]
    # Any will do for the box to appear: the search itself is `get_search_results`.
    search_fields = ("order_ref",)
    search_help_text = _("A whole order number, e-mail address, last name, registration ID or user ID.")
    fieldsets = (
        (_("Learner"), {"fields": ("firstname", "lastname", "email", "member_link", "other_id")}),
        (
            pgettext_lazy("purchase", "Order"),
            {"fields": ("order_link", "seat_key", "product", "mapping", "amount_paid", "created_at")},
        ),
        (
            _("At Elevate"),
            {
                "fields": (
                    "remote_product_id",
                    "registration_id",
                    "product_link",
                    "site",
                    "registered_at",
                    "cancelled_at",
                )
            },
        ),
        (
            _("For support"),
            {
                "classes": ("collapse",),
                "fields": (
                    "wanted",
                    "at_elevate",
                    "obstacle",
                    "seat_active",
                    "staff_cancelled",
                    "due_at",
                    "failures",
                    "trigger",
                    "actor",
                    "forgotten_at",
                    "updated_at",
                ),
            },
        ),
    )

    @admin.display(description=_("status, and what happens next"), ordering="status")
    def status_and_next(self, row: Registration) -> str:
        """Show the status, what happens next, and what Elevate said last: one column, so that the list fits."""
        said = show.last_message(row)
        quoted = format_html('<q dir="auto">{}</q>', said) if said else ""
        hints = format_html_join("", "<br>{}", ((hint,) for hint in show.hints(row)))
        return format_html(
            '{}<div class="elevate-next">{}{}{}</div>',
            show.status(row),
            show.still_coming(row),
            hints,
            quoted,
        )

    @admin.display(description=_("product"))
    def product(self, row: Registration) -> str:
        """Show the product by its title in the store."""
        return overview.product_of(row)

    @admin.display(description=_("learner"), ordering="lastname")
    def learner_name(self, row: Registration) -> str:
        """Show the learner."""
        return show.learner(row)

    @admin.display(description=_("order"), ordering="order_ref")
    def order_link(self, row: Registration) -> str:
        """Show the order, linked to its page in the store."""
        return show.order(row.order_ref)

    @admin.display(description=_("order"), ordering="pk")
    def order_and_day(self, row: Registration) -> str:
        """Show the order and the day; sorted as the rows came, which costs nothing."""
        return format_html(
            '{}<br><span class="help">{}</span>', show.order(row.order_ref), show.day(row.created_at)
        )

    @admin.display(description=_("product's page at Elevate"))
    def product_link(self, row: Registration) -> str:
        """Show the product's page."""
        return show.link(row.product_url, row.product_url, rel="noopener") if row.product_url else "-"

    @admin.display(description=_("user ID at Elevate"))
    def member_link(self, row: Registration) -> str:
        """Show the user ID, linked to the member's page in the store."""
        return show.member(row)

    @admin.display(description=_("user ID now given by the store"))
    def other_id(self, row: Registration) -> str:
        """Show another user ID of the learner's."""
        return show.other_id(row)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RegistrationList]:
        """Use the list that knows what covers a row."""
        return RegistrationList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search along indexes."""
        if not search_term.strip():
            return queryset, False
        found = staff.find(search_term)
        if len(found) >= staff.FOUND_AT_MOST:
            text = _("More than %(number)s fit the search; only some are shown. Search for more than a name.")
            self.message_user(request, text % {"number": staff.FOUND_AT_MOST}, messages.WARNING)
        return queryset.filter(pk__in=found), False

    def get_urls(self) -> list[Any]:
        """Add the page that asks before an act and does it."""
        act = self.admin_site.admin_view(self.act_view)
        duplicates = self.admin_site.admin_view(self.duplicates_view)
        seats = self.admin_site.admin_view(self.seats_view)
        forget = self.admin_site.admin_view(self.forget_view)
        return [
            path("seats/<int:pk>/", seats, name="elevate_integration_registration_seats"),
            path("forget/<int:pk>/", forget, name="elevate_integration_registration_forget"),
            path("duplicates/", duplicates, name="elevate_integration_registration_duplicates"),
            path("act/<slug:name>/", act, name="elevate_integration_registration_act"),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Offer the acts that this person may do."""
        # Django 6.1 says where the menu stands; before, there was only the list.
        place = {} if action_location is None else {"action_location": action_location}
        offered = super().get_actions(request, **place)
        return {
            name: action for name, action in offered.items() if name in ACTS and ACTS[name].allowed(request)
        }

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, and say so when nothing is sent at present."""
        more = {
            "delivery": delivery_state(),
            "duplicates_url": address(self, "duplicates"),
            "counted_at_most": COUNTED_AT_MOST,
        }
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one registration with its explanation, its acts and its attempts."""
        row = self.get_object(request, object_id)
        more = {} if row is None else self._explanation(request, row)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def _explanation(self, request: HttpRequest, row: Registration) -> dict[str, Any]:
        offered = [act for act in ACTS.values() if act.allowed(request) and act.possible(row)]
        if row.obstacle == Obstacle.COVERED:
            row.covered_by = staff.covering([row]).get(row.pk)  # type: ignore[attr-defined]
        told = story(row.order_ref)
        return {
            "title": _("Registration %(number)s") % {"number": row.pk},
            "subtitle": None,
            "row": row,
            "status": show.status(row),
            "tone": show.tone(row),
            "situation": situation(row.state),
            "coming": show.coming(row),
            "problems": problems(row.problems),
            "said": show.said(row.error_messages),
            "seats_url": seats_url(self, request, row),
            "forget_url": forget_url(self, request, row),
            "acts": [(act, address(self, "act", act.name)) for act in offered],
            "hints": [*show.hints(row), *show.forgotten(row)],
            "differences": open_differences(self, request, row),
            "story": told,
            "lines": [
                (show.status(one), self.product(one), show.learner(one), one, address(self, "change", one.pk))
                for one in told.rows
            ],
            "delivery": delivery_state(),
        }

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask before an act; do it when the page was confirmed."""
        refused = must_post(request)
        if refused is not None:
            return refused
        act = ACTS.get(name)
        if act is None:
            raise Http404
        must(self.has_view_permission(request) and act.allowed(request))
        rows = self.chosen_on_page(request)
        if not rows:
            return HttpResponseRedirect(self.list_url(request))
        return self.ask_or_act(request, act, rows if act.many else rows[:1])

    def ask_or_act(self, request: HttpRequest, act: Act, rows: list[Registration]) -> HttpResponse:
        """Show the page that asks, or do what was confirmed on it."""
        confirmed = "confirm" in request.POST
        form = self._form(request, act, rows, request.POST if confirmed else None)
        if not confirmed or (form is not None and not form.is_valid()):
            return self._ask(request, act, rows, form)
        given = form.cleaned_data if form is not None else {}
        acted = act.run(rows, actor=who(request), given=given, lets_go=may(request, "pause_delivery"))
        done = set(acted.done)
        if isinstance(acted, staff.Export):
            return self._download(request, act, acted, rows)
        record(request, [row for row in rows if row.pk in done], _("%(act)s.") % {"act": act.label})
        self._tell(request, act, acted)
        return HttpResponseRedirect(self._back(request, rows))

    def _form(self, request: HttpRequest, act: Act, rows: list[Registration], data: Any = None) -> Any:
        """Make the act's form, empty or with what was typed."""
        if act.form is CancelManyForm:
            fitting = sum(act.possible(row) for row in rows)
            return CancelManyForm(data, number=fitting, initial=last_texts(request))
        return act.form(data) if act.form is not None else None

    def _download(
        self, request: HttpRequest, act: Act, made: staff.Export, rows: list[Registration]
    ) -> HttpResponse:
        """Give the file, and write into the history of each row in it that it was given."""
        if not made.done:
            tell_reasons(request, made.left, lambda n: _("Not exported: %(reason)s."))
            return HttpResponseRedirect(self._back(request, rows))
        done = set(made.done)
        record(request, [row for row in rows if row.pk in done], _("%(act)s.") % {"act": act.label})
        response = HttpResponse(made.content, content_type=made.content_type)
        disposition = content_disposition_header(as_attachment=True, filename=made.name)
        response["Content-Disposition"] = disposition or "attachment"
        response["Cache-Control"] = "no-store"
        return response

    def seats_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Name the learners of the order's seats."""
        return seats_view(self, request, pk)

    def forget_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Forget the learner on request, once that was confirmed."""
        return forget_view(self, request, pk)

    def duplicates_view(self, request: HttpRequest) -> HttpResponse:
        """List second registrations at Elevate for one seat, and have chosen ones cancelled."""
        return duplicates_view(self, request)

    def _ask(self, request: HttpRequest, act: Act, rows: list[Registration], form: Any) -> HttpResponse:
        fitting = [row for row in rows if act.possible(row)]
        staying = staff.covering(fitting, besides={row.pk for row in fitting}) if act.name == "cancel" else {}
        noted = set()
        for row in fitting:
            other = staying.get(row.pk)
            if other is not None and (row.at_elevate in LIVE or row.claim_token is not None):
                noted.add(row.pk)
                text = _("Stays registered: order {} gives this member the same product.")
                row.note = format_html(str(text), show.order(other.order_ref))  # type: ignore[attr-defined]
        listed = sorted(rows, key=lambda row: row.pk not in noted)
        shown = [(show.status(row), self.product(row), show.learner(row), row) for row in listed[:_LISTED]]
        return render(
            self,
            request,
            "act.html",
            title=_("%(act)s: are you sure?") % {"act": act.label} if act.strong else act.label,
            act=act,
            form=form,
            rows=shown,
            number=len(rows),
            staying=len(noted),
            cancels_per_hour=conf().cancels_per_hour,
            fitting=len(fitting),
            unfitting=len(rows) - len(fitting),
            more=len(rows) - len(shown),
            pks=",".join(str(row.pk) for row in rows),
            detail="detail" in request.POST and len(rows) == 1,
            action=self.keep_filters(request, address(self, "act", act.name)),
            back=self._back(request, rows),
        )

    def _tell(self, request: HttpRequest, act: Act, acted: Any) -> None:
        number = len(acted.done)
        if number:
            text = ngettext("%(act)s: %(number)s registration.", "%(act)s: %(number)s registrations.", number)
            self.message_user(request, text % {"act": act.label, "number": number}, messages.SUCCESS)
        tell_reasons(
            request,
            acted.left,
            lambda n: ngettext(
                "%(number)s left as it was: %(reason)s.", "%(number)s left as they were: %(reason)s.", n
            ),
        )
        tell_reasons(
            request,
            acted.notes,
            lambda n: ngettext("Note: %(reason)s.", "Note on %(number)s: %(reason)s.", n),
        )

    def _back(self, request: HttpRequest, rows: list[Registration]) -> str:
        if "detail" in request.POST and len(rows) == 1:
            return self.keep_filters(request, address(self, "change", rows[0].pk))
        return self.list_url(request)
