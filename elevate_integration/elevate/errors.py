"""The exception tree: every way in which a call to Elevate can end badly. Imports nothing.

A call that returns is *done*; the three branches below are the other outcomes. The error knows whether it may be
repeated, the delivery policy knows when.
"""

from __future__ import annotations

from typing import ClassVar


class ElevateError(Exception):
    """A call that did not succeed. Catch this, then look at `outcome`.

    Its text says what happened and what to do, and holds neither the key, nor personal data, nor the answer.

    outcome: "refused", "not_sent" or "unknown".
    status_code: HTTP status, None when no answer came.
    body: the answer, cleaned, capped and without the key; it may hold personal data, so it is for staff only.
    messages: (field, text) pairs, Elevate's words.
    retry_after: seconds that Elevate asked us to wait, None when it did not.
    registration_id, id_is_number: as in `Answer`, where a failed answer named one all the same.
    duration: seconds the call took.
    """

    outcome: ClassVar[str] = ""

    def __init__(
        self,
        text: str,
        *,
        status_code: int | None = None,
        body: str = "",
        messages: tuple[tuple[str, str], ...] = (),
        retry_after: float | None = None,
        registration_id: str = "",
        id_is_number: bool = True,
        duration: float = 0.0,
    ) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.body = body
        self.messages = messages
        self.retry_after = retry_after
        self.registration_id = registration_id
        self.id_is_number = id_is_number
        self.duration = duration


class Refused(ElevateError):  # noqa: N818 - named by its outcome
    """Elevate said no. Repeating the same call gives the same answer: a person must act."""

    outcome: ClassVar[str] = "refused"


class KeyRefused(Refused):
    """Elevate said no to the API key, so it concerns every registration: pause delivery and mend the key."""


class NotSent(ElevateError):  # noqa: N818 - named by its outcome
    """Nothing happened at Elevate. Safe to repeat, after `retry_after` if it is set."""

    outcome: ClassVar[str] = "not_sent"


class OutcomeUnknown(ElevateError):  # noqa: N818 - named by its outcome
    """The call went out and its answer is lost or unreadable. Elevate may have acted: never count it as failed."""

    outcome: ClassVar[str] = "unknown"
