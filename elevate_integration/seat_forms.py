"""The form in which learners are named, for the buyer's page and for the admin's: one small form for each seat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from elevate_integration.seats import Name, OpenSeat, doubles

# Browsers would fill in the buyer himself, for every seat.
_NOT_THE_BUYER = {"autocomplete": "off"}


class SeatForm(forms.Form):
    """Who takes one seat. Empty: nobody yet.

    Each field carries what the page showed: only what was changed there is written, so that a page which stood open
    for long takes back nothing that somebody else has typed meanwhile.
    """

    first_name = forms.CharField(
        label=_("First name"), max_length=200, required=False, show_hidden_initial=True
    )
    last_name = forms.CharField(
        label=_("Last name"), max_length=200, required=False, show_hidden_initial=True
    )
    email = forms.EmailField(label=_("E-mail"), max_length=254, required=False, show_hidden_initial=True)

    def __init__(self, seat: OpenSeat, data: Any = None) -> None:
        self.seat = seat
        shown = {
            "first_name": seat.name.first_name,
            "last_name": seat.name.last_name,
            "email": seat.name.email,
        }
        super().__init__(data, prefix=seat.key, initial=shown)
        for field in self.fields.values():
            field.widget.attrs.update(_NOT_THE_BUYER)

    def clean(self) -> dict[str, Any]:
        """Ask for a name and an address once anything is typed."""
        name = self.name
        if name.empty and self.seat.sent and not self.errors:
            self.add_error(
                "email", _("Somebody is registered for this place. Name whoever takes it instead.")
            )
        if not name.empty and "email" not in self.errors and not name.email:
            self.add_error("email", _("Type the e-mail address too."))
        if not name.empty and not (name.first_name or name.last_name):
            self.add_error("first_name", _("Type the name too."))
        return self.cleaned_data

    @property
    def name(self) -> Name:
        """What was typed and is valid."""
        typed = {field: self.cleaned_data.get(field) or "" for field in self.fields}
        return Name(**typed)


def read(forms_: Sequence[SeatForm], *, besides: Sequence[OpenSeat] = ()) -> Mapping[str, Name] | None:
    """Give the names that were changed, by seat; None when something has to be corrected, which the forms then say.

    besides: seats without a form, whose learners have their place already.
    """
    valid = [form.is_valid() for form in forms_]
    if not all(valid):
        return None
    twice = doubles([*((form.seat, form.name) for form in forms_), *((seat, seat.name) for seat in besides)])
    wrong = [form for form in forms_ if form.seat.key in twice and form.has_changed()]
    for form in wrong:
        form.add_error("email", _("This person has another place of the same product already."))
    return None if wrong else {form.seat.key: form.name for form in forms_ if form.has_changed()}
