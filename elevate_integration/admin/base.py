"""What the pages share: permissions by name, links within the same admin site, entries in the history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

APP = "elevate_integration"


def may(request: HttpRequest, *codenames: str) -> bool:
    """Tell whether the person holds any of these permissions of ours."""
    return any(request.user.has_perm(f"{APP}.{codename}") for codename in codenames)


def who(request: HttpRequest) -> str:
    """Give the name under which an act is recorded."""
    return request.user.get_username()


class StaffPage(admin.ModelAdmin):
    """A model that staff look at and act upon, and never edit, add or delete through Django's own forms.

    seen_by: permissions of ours, each of which alone lets a person look; without any, Django's own permission does.
    """

    seen_by: tuple[str, ...] = ()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those look who may look, or who may act here."""
        return may(request, *self.seen_by) if self.seen_by else super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the app to them."""
        return self.has_view_permission(request) if self.seen_by else super().has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    class Media:
        css = {"all": ["elevate_integration/admin.css"]}


class ListOnlyPage(StaffPage):
    """A model whose rows have no page of their own: every address of one leads to the list."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the list."""
        return HttpResponseRedirect(address(self, "changelist"))


def address(page: admin.ModelAdmin, name: str, *args: Any, model: str = "") -> str:
    """Give the address of one of our pages on the same admin site."""
    model_name = model or page.opts.model_name
    return reverse(f"admin:{APP}_{model_name}_{name}", args=args, current_app=page.admin_site.name)


def address_if_there(page: admin.ModelAdmin, name: str, *args: Any, model: str) -> str:
    """Give the address of another page of ours, "" where the admin site lacks it."""
    try:
        return address(page, name, *args, model=model)
    except NoReverseMatch:
        return ""


def must_post(request: HttpRequest) -> HttpResponse | None:
    """Answer everything but a POST: acts are never one click on a link away."""
    return None if request.method == "POST" else HttpResponseNotAllowed(["POST"])


def must(allowed: Any) -> None:
    """Raise PermissionDenied unless allowed."""
    if not allowed:
        raise PermissionDenied


def render(
    page: admin.ModelAdmin, request: HttpRequest, template: str, /, **context: Any
) -> TemplateResponse:
    """Render one of our pages inside the admin."""
    request.current_app = page.admin_site.name
    common = {**page.admin_site.each_context(request), "opts": page.opts, "media": page.media}
    return TemplateResponse(request, f"admin/{APP}/{template}", {**common, **context})


def record(request: HttpRequest, objects: Iterable[Any], text: Any, *, flag: int = CHANGE) -> None:
    """Write one act into the history of each object. flag: of Django's `LogEntry`."""
    found = list(objects)
    person = request.user.pk
    if found and person is not None:
        LogEntry.objects.log_actions(
            user_id=person, queryset=found, action_flag=flag, change_message=str(text)
        )


def tell_reasons(request: HttpRequest, reasons: Iterable[tuple[Any, Any]], text: Any) -> None:
    """Show each reason once, with the number of rows that it concerns. `text` is made with number and reason."""
    counted: dict[str, int] = {}
    for _pk, reason in reasons:
        counted[str(reason)] = counted.get(str(reason), 0) + 1
    for reason, number in counted.items():
        messages.warning(request, text(number) % {"number": number, "reason": reason})
