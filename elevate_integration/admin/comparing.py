"""The comparison with Elevate's report: which days were read, what is known of the report's IDs, and one more day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from elevate_integration.admin import show
from elevate_integration.admin.base import (
    ListOnlyPage,
    address,
    address_if_there,
    may,
    must,
    must_post,
    record,
    render,
    who,
)
from elevate_integration.admin.difference_words import FALSE_ALARMS
from elevate_integration.admin.overview import SEES_DAYS, SEES_DIFFERENCES
from elevate_integration.conf import conf
from elevate_integration.models import database
from elevate_integration.reconcile.button import is_comparing
from elevate_integration.reconcile.days import today
from elevate_integration.reconcile.proof import Known, proof_now
from elevate_integration.reconciled import ReconciledDay, ReportState
from elevate_integration.staff import comparing

# What Elevate can have: the vendor has sold it since then.
_FIRST_DAY = date(2000, 1, 1)


class DayForm(forms.Form):
    """The day to compare."""

    day = forms.DateField(
        label=_("Day"),
        widget=forms.DateInput(attrs={"type": "date", "class": "vDateField"}, format="%Y-%m-%d"),
    )

    def clean_day(self) -> date:
        """Take a day of which Elevate can have a report."""
        day: date = self.cleaned_data["day"]
        if not _FIRST_DAY <= day <= today():
            raise ValidationError(_("Choose a day from the year 2000 until today."))
        return day


@dataclass(frozen=True)
class ProofShown:
    """What is known of one kind of ID: a badge, a sentence, and what has been found out against it."""

    badge: str
    text: str
    is_doubted: bool = False
    doubt: str = ""


def proofs() -> list[ProofShown]:
    """Say what is known of the report's IDs."""
    proof = proof_now()
    return [
        _shown(
            proof.ids,
            gettext("The report's ID is the registration ID."),
            gettext("A registration whose answer was lost gets its registration ID from the report."),
            gettext("Until then nothing is filled in from the report: what it has waits for you."),
        ),
        _shown(
            proof.members,
            gettext("The report's member is the user ID that is sent to Elevate."),
            gettext("People are recognised by it, also under another e-mail address."),
            gettext("Until then people are recognised by their e-mail address."),
        ),
    ]


def _shown(known: Known, claim: str, proved: str, until_then: str) -> ProofShown:
    if known.proved:
        equal = ngettext(
            "Compared with what Elevate answered itself: %(number)s was the same, none was another.",
            "Compared with what Elevate answered itself: %(number)s were the same, none was another.",
            known.equal,
        )
        text = " ".join((claim, equal % {"number": known.equal}, proved))
        return ProofShown(show.badge("good", gettext("proved")), text)
    if known.doubt or known.differ:
        text = gettext("“%(claim)s” is in doubt, so it is not relied on.") % {"claim": claim}
        return ProofShown(
            show.badge("warn", gettext("in doubt")),
            f"{text} {until_then}",
            is_doubted=True,
            doubt=known.doubt,
        )
    so_far = gettext("“%(claim)s” is not proved yet: %(equal)s of %(needed)s were seen to be the same.") % {
        "claim": claim,
        "equal": known.equal,
        "needed": known.needed,
    }
    return ProofShown(show.badge("busy", gettext("not proved yet")), f"{so_far} {until_then}")


class StateFilter(admin.SimpleListFilter):
    """Whether a day could be read."""

    title = _("reading")
    parameter_name = "reading"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Give days that could not be read, in whole or in part, and days with open differences."""
        return [
            ("unread", _("could not be read")),
            ("part", _("without the days beside it")),
            ("differs", _("with open differences")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the chosen days."""
        unread = Q(state=ReconciledDay.State.UNREAD)
        chosen = {"unread": unread, "part": Q(whole=False) & ~unread, "differs": Q(waiting__gt=0)}
        return queryset.filter(chosen.get(self.value() or "", Q()))


class ReconciledDayAdmin(ListOnlyPage):
    """The days, the newest first; above them how to compare one more, and what to know before acting."""

    seen_by = SEES_DAYS
    list_display = ("day", "how_read", "numbers", "differences")
    list_display_links = None
    list_filter = (StateFilter, "site")
    list_per_page = 62
    ordering = ("-day",)
    actions = None
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description=_("reading"), ordering="read_at")
    def how_read(self, day: Any) -> str:
        """Say whether the day could be read, when, and what happened."""
        told = [day.message] if day.message else []
        if day.state == ReconciledDay.State.UNREAD:
            word = show.badge("warn", _("could not be read"))
            told.append(gettext("Nothing is called missing because of it."))
        elif day.whole:
            word = show.badge("good", _("read"))
        else:
            word = show.badge("warn", _("without the days beside it"))
        notes = format_html_join("", '<br><span dir="auto">{}</span>', ((text,) for text in told))
        again = ""
        if told and day.may_compare:
            url = f"{address(self, 'compare')}?day={day.day.isoformat()}"
            again = format_html('<br><a href="{}">{}</a>', url, _("Compare again…"))
        return format_html(
            '{}<div class="elevate-next">{}{}{}</div>', word, show.moment(day.read_at), notes, again
        )

    @admin.display(description=_("registrations"))
    def numbers(self, day: ReconciledDay) -> str:
        """Say how many there are on either side."""
        if day.state == ReconciledDay.State.UNREAD and not day.here and not day.there:
            return "-"
        told = [
            gettext("%(number)s here") % {"number": day.here},
            gettext("%(number)s at Elevate") % {"number": day.there},
        ]
        if day.others:
            told.append(gettext("%(number)s of other products") % {"number": day.others})
        if day.settled:
            told.append(
                ngettext("%(number)s lost answer settled", "%(number)s lost answers settled", day.settled)
                % {"number": day.settled}
            )
        return format_html_join("", "{}<br>", ((text,) for text in told))

    @admin.display(description=_("open differences"), ordering="waiting")
    def differences(self, day: Any) -> str:
        """Lead to the open differences of the day."""
        if not day.waiting:
            return "0"
        url = address_if_there(self, "changelist", model="discrepancy")
        return show.link(f"{url}?day={day.pk}" if url else "", str(day.waiting))

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Count the open differences of each day, and note whether the person may compare it again."""
        open_ones = Q(discrepancies__decision="open", discrepancies__closed_at=None)
        days = ReconciledDay.objects.annotate(
            waiting=Count("discrepancies", filter=open_ones), may_compare=Value(self._may_compare(request))
        )
        return days.order_by(*self.get_ordering(request))

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Offer the Elevate site only where there was more than one."""
        several = ReconciledDay.objects.order_by().values("site").distinct()[:2].count() > 1
        return [one for one in super().get_list_filter(request) if several or one != "site"]

    def get_urls(self) -> list[Any]:
        """Add the pages that ask before a day is compared and before the proof begins anew."""
        compare = self.admin_site.admin_view(self.compare_view)
        anew = self.admin_site.admin_view(self.anew_view)
        return [
            path("compare/", compare, name="elevate_integration_reconciledday_compare"),
            path("anew/", anew, name="elevate_integration_reconciledday_anew"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the days, and what to know about them."""
        must(self.has_view_permission(request))
        known = proofs()
        doubted = any(one.is_doubted for one in known)
        more: dict[str, Any] = {
            "title": capfirst(self.opts.verbose_name_plural),
            "comparing": is_comparing(),
            "compare_url": address(self, "compare") if self._may_compare(request) and conf().url else "",
            "yesterday": (today() - timedelta(days=1)).isoformat(),
            "today": today().isoformat(),
            "proofs": known,
            "anew_url": address(self, "anew") if doubted and may(request, "decide_discrepancy") else "",
            "false_alarms": FALSE_ALARMS.values(),
            "differences_url": address_if_there(self, "changelist", model="discrepancy")
            if may(request, *SEES_DIFFERENCES)
            else "",
        }
        return super().changelist_view(request, {**(extra_context or {}), **more})

    @staticmethod
    def _may_compare(request: HttpRequest) -> bool:
        return may(request, "compare_day")

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Ask before a day is compared; begin when that was confirmed. A link may lead to the question only."""
        if request.method not in ("GET", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        must(self.has_view_permission(request) and self._may_compare(request))
        form = DayForm(request.POST if request.method == "POST" else request.GET)
        if not form.is_valid():
            for text in form.errors.get("day", []):
                self.message_user(request, str(text), messages.WARNING)
            return HttpResponseRedirect(address(self, "changelist"))
        day = form.cleaned_data["day"]
        if request.method == "POST" and "confirm" in request.POST:
            return self._compare(request, day)
        return render(
            self,
            request,
            "reconciledday/compare.html",
            title=_("Compare %(day)s with Elevate") % {"day": formats.date_format(day, "DATE_FORMAT")},
            day=day,
            calls=3,
            pause=conf().report_pause,
            comparing=is_comparing(),
            action=address(self, "compare"),
            back=address(self, "changelist"),
        )

    def _compare(self, request: HttpRequest, day: date) -> HttpResponse:
        shown = formats.date_format(day, "DATE_FORMAT")
        if comparing.start_comparing(day, actor=who(request)):
            asked = ReconciledDay.objects.using(database()).filter(site=conf().url, day=day)
            record(
                request, asked or self._state(), _("Compare %(day)s with Elevate.") % {"day": day.isoformat()}
            )
            text = _("%(day)s is being compared. It takes about a minute; then reload this page.")
            self.message_user(request, text % {"day": shown}, messages.SUCCESS)
        else:
            text = _("Somebody is comparing now, so %(day)s was not begun. Try again when that has ended.")
            self.message_user(request, text % {"day": shown}, messages.WARNING)
        return HttpResponseRedirect(address(self, "changelist"))

    def anew_view(self, request: HttpRequest) -> HttpResponse:
        """Ask before the proof of the IDs begins anew; begin it when that was confirmed."""
        refused = must_post(request)
        if refused is not None:
            return refused
        must(self.has_view_permission(request) and may(request, "decide_discrepancy"))
        if "confirm" not in request.POST:
            return render(
                self,
                request,
                "reconciledday/anew.html",
                title=_("Begin the proof anew"),
                proofs=proofs(),
                action=address(self, "anew"),
                back=address(self, "changelist"),
            )
        comparing.begin_proof_anew(actor=who(request))
        record(request, self._state(), _("Begin the proof anew."))
        self.message_user(request, _("The proof begins anew with the next comparison."), messages.SUCCESS)
        return HttpResponseRedirect(address(self, "changelist"))

    @staticmethod
    def _state() -> list[ReportState]:
        """Give the row of the Elevate site, which keeps the history of what concerns no day that was read."""
        return [ReportState.objects.using(database()).get_or_create(site=conf().url)[0]]
