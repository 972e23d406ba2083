"""The exception tree: every way in which a call to Elevate can end badly. Imports nothing.

A call that returns is *done*; the three branches below are the other outcomes. The error knows whether it may be
repeated, the delivery policy knows when.
"""

from __future__ import annotations

from typing import ClassVar, Literal

ReportTrouble = Literal[
    "not_reached", "hurried", "key_refused", "unknown_field", "wrong_address", "cut_short", "unreadable"
]


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


class ReportUnreadable(ElevateError):  # noqa: N818 - named by what it means
    """A report that could not be read. It says nothing about what is at Elevate: never count anything as missing.

    A report changes nothing at Elevate, so asking again is safe; `trouble` says whether it helps:

    - "not_reached": nobody answered, or the answer was lost on the way.
    - "hurried": asked too soon; wait `retry_after` seconds, or some seconds more than last time when it is None.
    - "key_refused": the key, or reports are not part of what this site has bought.
    - "unknown_field": this site spells `field` (a key of `ReportFields`, `""` when Elevate does not say) differently.
    - "wrong_address": redirected, or nothing at the path.
    - "cut_short": the answer stopped before its end, or was too large; ask for a shorter time.
    - "unreadable": an answer, but not one that is understood.
    """

    outcome: ClassVar[str] = "not_sent"

    def __init__(
        self,
        text: str,
        *,
        trouble: ReportTrouble = "unreadable",
        field: str = "",
        status_code: int | None = None,
        body: str = "",
        messages: tuple[tuple[str, str], ...] = (),
        retry_after: float | None = None,
        duration: float = 0.0,
    ) -> None:
        super().__init__(
            text,
            status_code=status_code,
            body=body,
            messages=messages,
            retry_after=retry_after,
            duration=duration,
        )
        self.trouble = trouble
        self.field = field

    @property
    def concerns_every_report(self) -> bool:
        """Whether the next report would end the same way until a person mends the settings."""
        return self.trouble in ("key_refused", "unknown_field", "wrong_address")
