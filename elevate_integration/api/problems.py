"""Every error as `application/problem+json` (RFC 9457), set on each view: the host's own error format stays as it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

MEDIA_TYPE = "application/problem+json"
_KINDLESS = "about:blank"


class DoesNotApply(APIException):
    """The act is not possible in this state; the text says why."""

    status_code = HTTPStatus.CONFLICT
    default_detail = _("This is not possible at present.")
    default_code = "does_not_apply"


class StoreUnreadable(APIException):
    """The host's order source raised."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = _(
        "The store could not read this order; the log tells why. Mend the order source and ask again."
    )
    default_code = "order_unreadable"


class ProblemSerializer(serializers.Serializer):
    """What went wrong. `errors` is there for mistakes in what was sent: texts by field."""

    type = serializers.CharField(help_text="`about:blank`: the status says it all.")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What happened, for a person.")
    code = serializers.CharField(help_text="What happened, for a program.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Mistakes by field.",
    )


def problem(
    status: int, detail: Any, code: str, *, errors: dict[str, list[str]] | None = None, headers: Any = None
) -> Response:
    """Make the answer for an error."""
    data: dict[str, Any] = {
        "type": _KINDLESS,
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": str(detail),
        "code": code,
    }
    if errors is not None:
        data["errors"] = errors
    return Response(data, status=status, headers=headers, content_type=MEDIA_TYPE)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception as Django REST framework would, as a problem. None: not ours, raised on."""
    answer = exception_handler(error, context)
    if answer is None:
        return None
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    if isinstance(error, ValidationError):
        detail = _("What was sent cannot be used; see “errors”.")
        return problem(answer.status_code, detail, "invalid", errors=_by_field(error.detail), headers=headers)
    data = answer.data if isinstance(answer.data, dict) else {}
    detail = data.get("detail", HTTPStatus(answer.status_code).phrase)
    code = str(getattr(detail, "code", "error"))
    return problem(answer.status_code, detail, code, headers=headers)


def _by_field(detail: Any, name: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for key, value in detail.items():
            found |= _by_field(value, f"{name}.{key}" if name else str(key))
        return found
    texts = detail if isinstance(detail, list) else [detail]
    return {name or "non_field_errors": [str(text) for text in texts]}
