"""How the store writes money."""

from __future__ import annotations

from decimal import Decimal

from django import template

register = template.Library()


@register.filter
def money(amount: Decimal | None) -> str:
    """Write an amount, for example `$1,250.00`; nothing to pay is "Free"."""
    return f"${amount:,.2f}" if amount else "Free"


@register.filter
def sum_money(amount: Decimal | None) -> str:
    """Write an amount, zero too."""
    return f"${amount or Decimal(0):,.2f}"
