"""The form that asks before a cancellation: starts from the texts this person wrote last, and for many asks twice."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from elevate_integration.admin.base import who
from elevate_integration.admin.forms import CancelForm
from elevate_integration.models import Registration, database

_LOOKED_AT = 50


class CancelManyForm(CancelForm):
    """Asks for the number of registrations to be typed when there are several. `number` is not among what is sent."""

    def __init__(self, *args: Any, number: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._number = number
        if number > 1:
            self.fields["number"] = forms.IntegerField(
                label=_("How many are cancelled"),
                widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "size": 6}),
                help_text=ngettext_lazy(
                    "Type %(number)s to show that you mean this registration.",
                    "Type %(number)s to show that you mean all of them.",
                    number,
                )
                % {"number": number},
            )

    def clean_number(self) -> int:
        """Take the right number only."""
        number = int(self.cleaned_data["number"])
        if number != self._number:
            text = _("%(number)s registrations would be cancelled. Type that number, or go back.")
            raise ValidationError(text % {"number": self._number})
        return number


def last_texts(request: HttpRequest) -> dict[str, Any]:
    """Give what this person wrote with his last cancellation that still stands; nothing before the first one."""
    kind = ContentType.objects.get_for_model(Registration)
    entries = LogEntry.objects.filter(user_id=request.user.pk, content_type=kind).order_by("-pk")
    texts = entries.values_list("object_id", flat=True)[:_LOOKED_AT]
    pks = [int(text) for text in texts if text and text.isdigit()]
    rows = Registration.objects.using(database()).filter(
        pk__in=pks, actor=who(request)[:150], staff_cancelled=True, cancel_details__isnull=False
    )
    by_pk: dict[int, dict[str, Any]] = {row.pk: row.cancel_details or {} for row in rows}
    return next((by_pk[pk] for pk in pks if by_pk.get(pk)), {})
