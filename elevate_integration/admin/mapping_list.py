"""The list of product mappings: what became of each, in three queries for a page, however many registrations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Max
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from elevate_integration import staff
from elevate_integration.admin.base import address
from elevate_integration.admin.show import badge, day, moment
from elevate_integration.lifecycle import Outcome, Status
from elevate_integration.models import Attempt, ProductMapping, Registration


@dataclass
class Became:
    """What became of one mapping. refused: registrations that wait for a person now."""

    registrations: int = 0
    last_success: datetime | None = None
    last_refusal: datetime | None = None
    refused: int = 0


def became(pks: list[Any]) -> dict[Any, Became]:
    """Give what became of these mappings, in three queries."""
    found = {pk: Became() for pk in pks}
    rows = Registration.objects.filter(mapping__in=pks).order_by()
    # Counts rows, not IDs: the index on mapping and date answers without the table.
    for pk, number, last in rows.values_list("mapping").annotate(
        number=Count("*"), last=Max("registered_at")
    ):
        found[pk].registrations, found[pk].last_success = number, last
    for pk, number in rows.filter(status=Status.REFUSED).values_list("mapping").annotate(number=Count("*")):
        found[pk].refused = number
    refusals = Attempt.objects.filter(outcome=Outcome.REFUSED.value, registration__mapping__in=pks).order_by()
    for pk, last in refusals.values_list("registration__mapping").annotate(last=Max("finished_at")):
        found[pk].last_refusal = last
    return found


class MappingChangeList(ChangeList):
    """Adds what became of each mapping of the page."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then what became of its rows."""
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = became([mapping.pk for mapping in self.result_list])
        for mapping in self.result_list:
            mapping.became = found[mapping.pk]


def address_state(mapping: ProductMapping) -> str:
    """Say in words whether a mapping's address answers, and since when it does not."""
    if not mapping.remote_registration_url:
        return badge("quiet", _("no address"))
    if mapping.url_checked_at is None:
        return badge("quiet", _("not checked"))
    if not mapping.url_problem:
        note = _("checked %(time)s") % {"time": moment(mapping.url_checked_at)}
        return format_html('{}<div class="elevate-next">{}</div>', badge("good", _("answers")), note)
    note = _("since %(time)s") % {"time": moment(mapping.url_failing_since)}
    word = badge("bad", staff.problem_words(mapping.url_problem))
    return format_html('{}<div class="elevate-next">{}</div>', word, note)


class MappingColumns(admin.ModelAdmin):
    """The columns of the list."""

    list_display = ("product_name", "remote_product_id", "state", "what_became", "url_state")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Read what became of the page's rows with it."""
        return MappingChangeList

    @admin.display(description=gettext_lazy("product in the store"), ordering="product_title")
    def product_name(self, mapping: ProductMapping) -> str:
        """Show title and key, or the key alone."""
        if not mapping.product_title:
            return mapping.product_key
        return format_html('{}<div class="elevate-next">{}</div>', mapping.product_title, mapping.product_key)

    @admin.display(description=gettext_lazy("state"), ordering="active")
    def state(self, mapping: ProductMapping) -> str:
        """Say what happens to new sales."""
        if not mapping.active:
            return badge("quiet", _("inactive"))
        if mapping.not_for_elevate:
            return badge("quiet", _("not for Elevate"))
        mails = {True: _("with e-mail"), False: _("without e-mail"), None: ""}[mapping.send_email]
        return format_html('{}<div class="elevate-next">{}</div>', badge("good", _("active")), mails)

    @admin.display(description=gettext_lazy("registrations"))
    def what_became(self, mapping: Any) -> str:
        """Count the registrations; tell the last success and the last refusal."""
        found: Became = mapping.became
        if not found.registrations:
            return _("none yet")
        lines = []
        if found.last_success:
            lines.append(_("last success %(day)s") % {"day": day(found.last_success)})
        if found.last_refusal:
            lines.append(_("last refusal %(day)s") % {"day": day(found.last_refusal)})
        notes = format_html_join("", '<div class="elevate-next">{}</div>', ((line,) for line in lines))
        return format_html("{}{}{}", self._count(mapping, found), notes, self._refused(mapping, found))

    def _rows_url(self, mapping: ProductMapping, **more: str) -> str:
        query = urlencode({"mapping": mapping.pk, **more})
        return f"{address(self, 'changelist', model='registration')}?{query}"

    def _count(self, mapping: ProductMapping, found: Became) -> str:
        return format_html('<a href="{}">{}</a>', self._rows_url(mapping), found.registrations)

    def _refused(self, mapping: ProductMapping, found: Became) -> str:
        if not found.refused:
            return ""
        text = ngettext("%(number)s refused now", "%(number)s refused now", found.refused)
        return format_html(
            '<div class="elevate-next"><a href="{}">{}</a></div>',
            self._rows_url(mapping, status=Status.REFUSED.value),
            text % {"number": found.refused},
        )

    @admin.display(description=gettext_lazy("registration address"), ordering="url_problem")
    def url_state(self, mapping: ProductMapping) -> str:
        """Say whether the address answers."""
        return address_state(mapping)
