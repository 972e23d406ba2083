"""One claimed row, one HTTP call, one outcome. Decides nothing about what should exist, opens no transaction.

`prepare` may read the database (the host's callables and templates run there); `send` only speaks HTTP, so that
sender threads need no database connection. `sending` is the same call in halves, see `elevate.connections`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.template import Context, Engine
from django.utils import timezone

from elevate_integration import observing
from elevate_integration.conf import Conf, conf
from elevate_integration.delivery.outcomes import Claimed, Result, about
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.connections import Halves, whole
from elevate_integration.elevate.errors import ElevateError, KeyRefused
from elevate_integration.elevate.payloads import CancelRequest, RegisterRequest, amount_text
from elevate_integration.events import event, get_logger
from elevate_integration.keys import api_key
from elevate_integration.lifecycle import Operation, Outcome
from elevate_integration.models import Registration

logger = get_logger(__name__)

Request = RegisterRequest | CancelRequest

# An engine of its own: the host's template settings (its loaders, its context) have no say in these short texts.
_ENGINE = Engine()


def make_client(key: str | None = None) -> ElevateClient:
    """Give a client for the Elevate site in the settings, with this key or (None) the one of now.

    It keeps a session per thread.
    """
    settings = conf()
    return ElevateClient(
        url=settings.url,
        api_key=api_key() if key is None else key,
        register_path=settings.register_path,
        cancel_path=settings.cancel_path,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        deadline=settings.call_deadline,
        trust_env=settings.trust_env,
        ca_bundle=settings.ca_bundle,
        safe_statuses=settings.safe_statuses,
        key_fields=settings.key_fields,
        report_path=settings.report_path,
        report_key=settings.report_key,
    )


def prepare(claimed: Claimed) -> Request | Result:
    """Build what is sent; a Result instead when there is nothing to send and the outcome is known already.

    What the host's own callables raise is recorded as an outcome: nothing was sent, and it is tried again later.
    """
    settings = conf()
    try:
        if claimed.operation is Operation.REGISTER:
            return register_request(claimed.row, settings)
        if claimed.row.site and claimed.row.site != settings.url:
            return _not_called(
                claimed,
                Outcome.REFUSED,
                f"This registration lives at {claimed.row.site}, which is not the Elevate site in the settings. "
                "Cancel it there by hand and mark it as cancelled.",
            )
        return cancel_request(claimed.row, settings)
    except Exception as error:
        logger.exception(
            "The call for %s could not be prepared.",
            claimed.row,
            extra=event("elevate.call.not_prepared", **about(claimed.row), operation=str(claimed.operation)),
        )
        note = f"The call could not be prepared: {type(error).__name__}. Look at PAYLOAD and the cancellation texts."
        return _not_called(claimed, Outcome.NOT_SENT, note)


def _not_called(claimed: Claimed, outcome: Outcome, note: str) -> Result:
    return Result(claimed, outcome, messages=(("", note),), note=note, called=False)


def register_request(row: Registration, settings: Conf) -> RegisterRequest:
    """Build the registration's payload from its row, the mapping and the settings."""
    send_email = row.mapping.send_email
    amount = amount_text(row.amount_paid) if settings.send_amounts and row.amount_paid is not None else "0.00"
    extra = settings.payload(row) if callable(settings.payload) else {}
    return RegisterRequest(
        remote_user_id=row.remote_user_id,
        firstname=row.firstname or settings.name_placeholder,
        lastname=row.lastname or settings.name_placeholder,
        email=row.email,
        remote_product_id=row.remote_product_id,
        amount_paid=amount,
        send_email=settings.send_email if send_email is None else send_email,
        extra=dict(extra or {}),
    )


def cancel_request(row: Registration, settings: Conf) -> CancelRequest:
    """Build the cancellation's payload: what a person typed wins, what he left empty comes from the settings."""
    typed = row.cancel_details or {}
    notify = typed.get("notify")
    return CancelRequest(
        registration_id=row.registration_id,
        id_is_number=row.id_is_number,
        cancellations_email=typed.get("email") or _text(settings.cancellations_email, row),
        cancellation_explanation=typed.get("explanation") or _text(settings.cancellation_explanation, row),
        cancellation_explanation_for_user=typed.get("explanation_for_user")
        or _text(settings.cancellation_explanation_for_user, row),
        notify_cancelled_user=_switch(settings.notify_cancelled_user, row)
        if notify is None
        else bool(notify),
    )


def _text(value: str | Callable[..., str], row: Registration) -> str:
    if callable(value):
        return str(value(row))
    if "{{" in value or "{%" in value:
        return _ENGINE.from_string(value).render(Context({"registration": row}, autoescape=False))
    return value


def _switch(value: bool | Callable[..., bool], row: Registration) -> bool:  # noqa: FBT001
    return bool(value(row)) if callable(value) else value


def send(client: ElevateClient, claimed: Claimed, request: Request) -> Result:
    """Make the call and say how it ended. Never raises: what nobody foresaw counts as *unknown*."""
    return whole(sending(client, claimed, request))


def sending(client: ElevateClient, claimed: Claimed, request: Request) -> Halves[Result]:
    """Do what `send` does, in halves."""
    with observing.step("call", operation=str(claimed.operation), **about(claimed.row)) as step:
        result = yield from _sending(client, claimed, request)
        step.note(outcome=str(result.outcome), status_code=result.status_code)
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(
            "The call to %s %s ended: %s.",
            claimed.operation,
            claimed.row,
            result.outcome,
            extra=event(
                "elevate.call.ended",
                **about(claimed.row),
                operation=str(claimed.operation),
                outcome=str(result.outcome),
                status_code=result.status_code,
            ),
        )
    return result


def _sending(client: ElevateClient, claimed: Claimed, request: Request) -> Halves[Result]:
    result = Result(claimed, Outcome.UNKNOWN, sent=_kept(request), started_at=timezone.now())
    try:
        if isinstance(request, RegisterRequest):
            answer = yield from client.registering(request)
        else:
            answer = yield from client.cancelling(request)
    except ElevateError as error:
        return replace(
            result,
            outcome=Outcome(error.outcome),
            status_code=error.status_code,
            body=error.body,
            messages=error.messages,
            registration_id=error.registration_id,
            note=str(error),
            duration=error.duration,
            retry_after=error.retry_after,
            key_refused=isinstance(error, KeyRefused),
        )
    except Exception as error:
        logger.exception(
            "The call for %s failed in a way nobody foresaw.",
            claimed.row,
            extra=event("elevate.call.failed", **about(claimed.row), operation=str(claimed.operation)),
        )
        return replace(result, note=f"Internal error: {type(error).__name__}.")
    return replace(
        result,
        outcome=Outcome.DONE,
        status_code=answer.status_code,
        body=answer.body,
        messages=answer.messages,
        registration_id=answer.registration_id,
        id_is_number=answer.id_is_number,
        product_url=answer.product_url,
        duration=answer.duration,
    )


def _kept(request: Request) -> dict[str, Any]:
    """What the attempt keeps of the request: every field but the key, as JSON can hold it."""
    return {name: _plain(value) for name, value in request.fields().items() if name != "api_key"}


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | bool | None | list | dict):
        return value
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a host's object; the client refuses what is no JSON, and says so
        return type(value).__name__
