"""`{% elevate_box order %}`: what Elevate has of an order, or of a member, on the host's own admin pages."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


@register.inclusion_tag("admin/elevate_integration/box.html", takes_context=True)
def elevate_box(context: Any, order: Any) -> dict[str, Any]:
    """Show the registrations of an order. order: the host's object or its reference. Empty without permission."""
    # Django imports every library of tags at the first template, also where the admin is not installed.
    from elevate_integration.admin import box

    return box.of_order(context.get("request"), getattr(order, "pk", order))


@register.inclusion_tag("admin/elevate_integration/box.html", takes_context=True)
def elevate_member_box(context: Any, user: Any) -> dict[str, Any]:
    """Show the registrations of a member. user: the host's user. Empty without permission."""
    from elevate_integration.admin import box

    return box.of_member(context.get("request"), user)
