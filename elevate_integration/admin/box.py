"""The *Elevate* box for the host's own admin pages of orders and members.

An order's admin class gets it by `ElevateOrderAdminMixin`, a member's by `ElevateMemberAdminMixin`; a template of the
host's own by `{% elevate_box order %}`. Its buttons lead to the pages that ask first; nothing is done in the box.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from elevate_integration import overview
from elevate_integration.admin import show
from elevate_integration.admin.acts import ACTS
from elevate_integration.admin.base import APP, may
from elevate_integration.conf import order_source
from elevate_integration.events import event, get_logger
from elevate_integration.models import Registration, database

logger = get_logger(__name__)

_SHOWN = 50
_OFFERED = ("retry", "cancel")


def of_order(request: HttpRequest | None, order_ref: Any) -> dict[str, Any]:
    """Give what the box of an order shows."""
    rows = Registration.objects.using(database()).of_order(str(order_ref))
    return _box(request, rows, _("Nothing of this order is registered at Elevate."))


def of_member(request: HttpRequest | None, user: Any) -> dict[str, Any]:
    """Give what the box of a member shows: the latest registrations. A source that fails costs only the box."""
    rows = Registration.objects.using(database()).order_by("-pk")
    try:
        learner = order_source().learner_for(user)
    except Exception:
        logger.exception(
            "The order source could not give the learner behind a user.",
            extra=event("elevate.source.failed", method="learner_for"),
        )
        return {"shown": False}
    if learner is None or not learner.remote_user_id:
        return _box(request, rows.none(), _("This member is not known to Elevate by an ID."))
    return _box(
        request, rows.filter(learner_key=learner.remote_user_id), _("No registrations for this member.")
    )


def _box(request: HttpRequest | None, rows: Any, nothing: str) -> dict[str, Any]:
    if request is None or not may(request, "view_registration"):
        return {"shown": False}
    site = getattr(request, "current_app", None) or "admin"
    allowed = [ACTS[name] for name in _OFFERED if ACTS[name].allowed(request)]
    try:
        lines = [
            {
                "row": row,
                "status": show.status(row),
                "coming": show.still_coming(row),
                "hints": show.hints(row),
                "learner": show.learner(row),
                "product": overview.product_of(row),
                "url": _url("change", site, row.pk),
                "acts": [(act, _url("act", site, act.name)) for act in allowed if act.possible(row)],
            }
            for row in rows.select_related("mapping")[:_SHOWN]
        ]
    except NoReverseMatch:
        # This admin site does not show our pages.
        return {"shown": False}
    return {"shown": True, "lines": lines, "nothing": nothing, "request": request}


def _url(name: str, site: str, *args: Any) -> str:
    return reverse(f"admin:{APP}_registration_{name}", args=args, current_app=site)


class _BoxMixin(admin.ModelAdmin):
    change_form_template = "admin/elevate_integration/host_change_form.html"
    elevate_box_kind = "order"

    def elevate_box_object(self, obj: Any) -> Any:
        """Give what the box is about: by default the object of the page itself."""
        return obj

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add the box below the form; its own forms must not stand inside the page's form."""
        request.current_app = self.admin_site.name
        obj = self.get_object(request, object_id)
        more: dict[str, Any] = {}
        if obj is not None:
            more = {"elevate_box_kind": self.elevate_box_kind, "elevate_about": self.elevate_box_object(obj)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    class Media:
        css = {"all": ["elevate_integration/admin.css"]}


class ElevateOrderAdminMixin(_BoxMixin):
    """Put first among the bases of the host's admin class for orders. `elevate_box_object` may give the reference."""


class ElevateMemberAdminMixin(_BoxMixin):
    """Put first among the bases of the host's admin class for members. `elevate_box_object` must give the user."""

    elevate_box_kind = "member"
