"""What is sent to Elevate and what comes back, as plain dataclasses. Ground floor: no HTTP, no Django.

Sources: the vendor's support pages *Elevate Registration API* and *Registration API*. The API key is no field of a
request: the client adds it while it writes the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from .answers import DEFAULT_KEY_FIELDS, Answer, read_cancel_answer, read_register_answer
from .cleaning import Secret

__all__ = [
    "DEFAULT_KEY_FIELDS",
    "Answer",
    "CancelRequest",
    "RegisterRequest",
    "Secret",
    "amount_text",
    "normalise_url",
    "read_cancel_answer",
    "read_register_answer",
]


@dataclass(frozen=True)
class RegisterRequest:
    """One learner registered for one product.

    remote_user_id: the value that the single sign-on sends to Elevate.
    amount_paid: decimal text such as `"0.00"`, see `amount_text`.
    send_email: whether Elevate mails the learner; None leaves it to Elevate.
    extra: further fields of the site, such as `explanation`; they may replace any field but the key.
    """

    remote_user_id: str
    firstname: str = field(repr=False)
    lastname: str = field(repr=False)
    email: str = field(repr=False)
    remote_product_id: str
    amount_paid: str
    send_email: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def fields(self) -> dict[str, Any]:
        """Give the JSON body without the key."""
        fields: dict[str, Any] = {
            "remote_user_id": self.remote_user_id,
            "firstname": self.firstname,
            "lastname": self.lastname,
            "email": self.email,
            "remote_product_id": self.remote_product_id,
            "amount_paid": self.amount_paid,
        }
        if self.send_email is not None:
            fields["send_email"] = self.send_email
        fields.update(self.extra)
        fields.pop("api_key", None)
        return fields


@dataclass(frozen=True)
class CancelRequest:
    """One registration taken back. Cancelling refunds no money.

    registration_id, id_is_number: as in the `Answer` to the registration.
    cancellations_email: the administrator whom Elevate tells, with `cancellation_explanation`.
    notify_cancelled_user: whether Elevate tells the learner, with `cancellation_explanation_for_user`.
    """

    registration_id: str
    id_is_number: bool = True
    cancellations_email: str = field(default="", repr=False)
    cancellation_explanation: str = field(default="", repr=False)
    notify_cancelled_user: bool = False
    cancellation_explanation_for_user: str = field(default="", repr=False)

    def fields(self) -> dict[str, Any]:
        """Give the JSON body without the key; the ID goes back in the type in which it came."""
        text = self.registration_id
        is_number = self.id_is_number and text.isascii() and text.isdigit()
        return {
            "registration_id": int(text) if is_number else text,
            "cancellations_email": self.cancellations_email,
            "cancellation_explanation": self.cancellation_explanation,
            "notify_cancelled_user": self.notify_cancelled_user,
            "cancellation_explanation_for_user": self.cancellation_explanation_for_user,
        }


def amount_text(value: Decimal) -> str:
    """Write an amount as the vendor's examples do: `"0.00"`, no exponent, no grouping."""
    return f"{value:.2f}"


def normalise_url(url: str) -> tuple[str, str]:
    """Give (base address, path that was stripped from it) of what somebody pasted.

    An Elevate site is a domain of its own, so scheme, host and port are all that is kept; a gateway's prefix belongs
    into the two path settings. `https` is assumed where no scheme is given. What is no http(s) address comes back
    as it is, for a check to complain about.
    """
    text = url.strip()
    full = text if "://" in text else f"https://{text.lstrip('/')}"
    try:
        parts = urlsplit(full)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return text, ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or " " in parts.netloc:
        return text, ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme.lower()}://{host}{port}", parts.path.rstrip("/")
