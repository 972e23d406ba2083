"""The forms of the pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration.conf import conf
from elevate_integration.models import ProductMapping, UnmappedSale
from elevate_integration.staff import mapping_mistakes


def plain(value: Any) -> str:
    """Give a text of the settings that can be shown as it will be sent; "" for templates and callables."""
    return value if isinstance(value, str) and "{{" not in value and "{%" not in value else ""


class CancelForm(forms.Form):
    """What Elevate is told about a cancellation. Starts from the settings."""

    explanation = forms.CharField(
        label=_("Explanation for staff"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text=_("Goes to the person at your office named below."),
    )
    email = forms.EmailField(
        label=_("Address for the notice"),
        required=False,
        widget=forms.EmailInput(attrs={"class": "vTextField"}),
        help_text=_("Who at your office is told by Elevate."),
    )
    notify = forms.BooleanField(
        label=_("Elevate mails the member"), required=False, help_text=_("Off: the member gets no e-mail.")
    )
    explanation_for_user = forms.CharField(
        label=_("Explanation for the member"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text=_("Part of the e-mail to the member, if there is one."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = conf()
        notify = settings.notify_cancelled_user
        defaults = {
            "explanation": plain(settings.cancellation_explanation),
            "explanation_for_user": plain(settings.cancellation_explanation_for_user),
            "email": plain(settings.cancellations_email),
            "notify": notify if isinstance(notify, bool) else False,
        }
        kwargs["initial"] = {**defaults, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)


class FoundForm(forms.Form):
    """A registration that a person found at Elevate."""

    registration_id = forms.CharField(
        label=_("Registration ID"),
        max_length=64,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text=_("As Elevate shows it. It is needed to cancel the registration later."),
    )
    product_url = forms.URLField(
        label=_("The product's page at Elevate"),
        max_length=500,
        required=False,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"class": "vURLField"}),
        help_text=_("Where the member opens the course. May be left empty."),
    )


class HttpsURLField(forms.URLField):
    """An address; `https` where no scheme is typed, as Django itself does from version 6.0."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"assume_scheme": "https", **kwargs})


class MappingForm(forms.ModelForm):
    """A product mapping, and what becomes of seats sold before."""

    apply_past = forms.BooleanField(required=False)

    class Meta:
        model = ProductMapping
        fields = (
            "product_key",
            "product_title",
            "remote_product_id",
            "remote_registration_url",
            "send_email",
            "active",
            "not_for_elevate",
        )
        field_classes = {"remote_registration_url": HttpsURLField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.past_seats = self._past_seats()
        field = self.fields.get("apply_past")
        if field is None:
            return
        if not self.past_seats:
            del self.fields["apply_past"]
            return
        field.label = ngettext(
            "Also register the %(number)s seat already sold",
            "Also register the %(number)s seats already sold",
            self.past_seats,
        ) % {"number": self.past_seats}
        field.help_text = _(
            "Off: only new sales are registered; the past ones leave the list of unmapped sales."
        )

    def _past_seats(self) -> int:
        key = self.data.get("product_key") or self.initial.get("product_key") or self.instance.product_key
        return UnmappedSale.objects.open().of_product(key).count() if key else 0

    def clean(self) -> dict[str, Any]:
        """Ask for the Remote Product ID, or for the word that there is none."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        mistakes = mapping_mistakes(
            cleaned.get("remote_product_id") or "", none=bool(cleaned.get("not_for_elevate"))
        )
        if mistakes and mistakes.keys() <= self.fields.keys():
            raise ValidationError(mistakes)
        return cleaned
