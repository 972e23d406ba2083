"""The store's forms."""

from __future__ import annotations

from typing import Any

from django import forms

from example_project.store.models import MOST_SEATS


class QuantityForm(forms.Form):
    """How many."""

    quantity = forms.IntegerField(min_value=0, max_value=MOST_SEATS)


class CardForm(forms.Form):
    """The pretend payment: the visitor chooses what the bank answers."""

    card = forms.ChoiceField(
        label="Pretend card",
        choices=[("ok", "A card that works"), ("declined", "A card that the bank declines")],
        widget=forms.RadioSelect,
        initial="ok",
    )


class SeatForm(forms.Form):
    """The person for one place; all fields or none."""

    first_name = forms.CharField(
        max_length=100, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    last_name = forms.CharField(
        max_length=100, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(
        label="E-mail", required=False, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )

    def clean(self) -> dict[str, Any]:
        """Ask for what is missing once anything is filled in."""
        data = super().clean() or {}
        if any(data.values()):
            for name in ("first_name", "last_name", "email"):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, "Please fill this in, or leave the whole row empty.")
        return data
