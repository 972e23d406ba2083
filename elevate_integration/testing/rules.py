"""What Elevate's page asks of a request, field by field. Pure.

Source: the vendor's support article "Registration API". A text that the page does not give is ours.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeGuard

REGISTER_PATH = "/api/registrations"
CANCEL_PATH = "/registrations/cancel"
UNKNOWN_PRODUCT = {"product": "The requested product could not be found."}
WRONG_KEY = {"api_key": "The API key is missing or wrong."}
UNKNOWN_REGISTRATION = {"registration_id": "The requested registration could not be found."}
ALREADY_REGISTERED = {"registration": "The user is already registered for this product."}
ALREADY_CANCELLED = {"registration_id": "The registration was already cancelled."}

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class UnreadableRequestError(ValueError):
    """The body is not the JSON object that the page asks for; the text says why."""


def read_fields(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a request, or `UnreadableRequestError`."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnreadableRequestError("The Content-Type must be application/json.")
    try:
        fields = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableRequestError("The body is not valid JSON.") from error
    if not isinstance(fields, dict):
        raise UnreadableRequestError("The body must be a JSON object.")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def registration_errors(fields: dict[str, Any], *, empty_names: bool = False) -> dict[str, str]:
    """One message for each field that is missing, empty or of a type the page does not allow.

    empty_names: take `""` for a first or last name. The page requires both and says nothing about empty ones.
    """
    errors = _missing(fields, "remote_user_id", "email", "remote_product_id", "amount_paid")
    named = [name for name in ("firstname", "lastname") if not (empty_names and fields.get(name) == "")]
    errors |= _missing(fields, *named)
    for name in ("remote_user_id", "remote_product_id"):
        if not isinstance(fields.get(name), str) and not _is_integer(fields.get(name)):
            errors.setdefault(name, f"The {name} must be a string.")
    errors = _wrong_type(fields, str, "a string", "firstname", "lastname", "email", "explanation") | errors
    if not is_amount(fields.get("amount_paid")):
        errors.setdefault("amount_paid", "The amount_paid must be a number.")
    return errors | _wrong_type(fields, bool, "true or false", "send_email")


def cancel_errors(fields: dict[str, Any]) -> dict[str, str]:
    """The same for a cancel: the registration ID is required, the rest is checked where it is given."""
    errors = _missing(fields, "registration_id")
    if registration_id_of(fields) is None:
        errors.setdefault("registration_id", "The registration_id must be an integer.")
    texts = ("cancellations_email", "cancellation_explanation", "cancellation_explanation_for_user")
    return (
        errors
        | _wrong_type(fields, str, "a string", *texts)
        | _wrong_type(fields, bool, "true or false", "notify_cancelled_user")
    )


def registration_id_of(fields: dict[str, Any]) -> int | None:
    """The registration ID of a cancel, which may come as a number or as a string of digits."""
    value = fields.get("registration_id")
    if _is_integer(value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        return int(value)
    return None


def _missing(fields: dict[str, Any], *names: str) -> dict[str, str]:
    absent = [name for name in names if _is_empty(fields.get(name))]
    return {name: f"The {name} field is required." for name in absent}


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _wrong_type(fields: dict[str, Any], kind: type, words: str, *names: str) -> dict[str, str]:
    given = {name: fields[name] for name in names if fields.get(name) is not None}
    return {
        name: f"The {name} must be {words}." for name, value in given.items() if not isinstance(value, kind)
    }


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_amount(value: object) -> bool:
    """Whether the page would take it for an amount: a number, or one written as text."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))
