"""`{% elevate_overview as overview %}`: what the app's page in the admin shows to the person who asks."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


@register.simple_tag(takes_context=True)
def elevate_overview(context: Any) -> Any:
    """Give the overview for the request of this page."""
    # Django imports every library of tags at the first template, also where the admin is not installed.
    from elevate_integration.admin import overview

    return overview.build(context.request)
