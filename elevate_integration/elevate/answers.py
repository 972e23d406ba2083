"""Reads Elevate's answers: pure functions from status, headers and body to an outcome. No HTTP, no Django.

Sources: the vendor's support pages *Elevate Registration API* and *Registration API*. What they leave open is
decided in `_failure`, and there alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from .cleaning import ID_LIMIT, Secret, clean_body, clean_id, clean_messages, clean_url
from .errors import ElevateError, KeyRefused, NotSent, OutcomeUnknown, Refused

DEFAULT_KEY_FIELDS = frozenset({"api_key"})
# A longer Retry-After, in seconds, is taken for a mistake: nothing may be parked for ever by one header.
RETRY_AFTER_LIMIT = 86_400.0

_NO_SECRET = Secret("")
# Refused before anybody looked at the body: 407 by a proxy, 421 wrong host, 425 too early, 429 too many (RFC 9110,
# 8470, 6585).
_NEVER_PROCESSED = frozenset({407, 421, 425, 429})
_MOVED = frozenset({301, 307, 308})
_FOUND = frozenset({302, 303})
_KEY_STATUSES = frozenset({401, 403})
_WRONG_PATH = frozenset({404, 405, 410})


@dataclass(frozen=True)
class Answer:
    """What Elevate answered to a call that is done.

    body: cleaned, at most 4,000 characters, without the key; for staff only, it may hold personal data.
    registration_id: text of at most 64 characters; `id_is_number` tells in which type it came.
    product_url: an http(s) address of at most 500 characters, or `""`.
    messages: (field, text) pairs that came along with the success.
    duration: seconds the call took.
    """

    status_code: int
    body: str = field(repr=False)
    registration_id: str = ""
    id_is_number: bool = True
    product_url: str = field(default="", repr=False)
    messages: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    duration: float = 0.0


@dataclass(frozen=True)
class _Facts:
    """What an answer says, safe to keep, before anybody judges it."""

    operation: str
    answer: Answer
    parsed: Any = field(repr=False)
    refusals: tuple[tuple[str, str], ...] = field(repr=False)
    retry_after: float | None
    is_move: bool
    is_whole: bool

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def is_success_status(self) -> bool:
        return 200 <= self.status < 300


def read_register_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secret: Secret = _NO_SECRET,
    key_fields: frozenset[str] = DEFAULT_KEY_FIELDS,
    safe_statuses: frozenset[int] = frozenset(),
    path: str = "",
    complete: bool = True,
    duration: float = 0.0,
) -> Answer:
    """Give the answer to a registration when it is done, raise an `ElevateError` when it is not.

    A `registration_id` means done, whatever the status and whatever stands beside it: it exists at Elevate, and
    only with its ID can it be cancelled. Messages beside it are kept in the answer.

    key_fields: names under which a message speaks of the API key. safe_statuses: HTTP statuses from 300 on that the
    operator knows to be safe to repeat. path: the path that was called. complete: False when the body was cut.
    """
    facts = _facts("registration", status, headers, body, secret, path, complete, duration)
    del headers, body  # An echoed key must not be among the locals of a traceback.
    if facts.answer.registration_id:
        return facts.answer
    raise _failure(facts, key_fields, safe_statuses)


def read_cancel_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secret: Secret = _NO_SECRET,
    key_fields: frozenset[str] = DEFAULT_KEY_FIELDS,
    safe_statuses: frozenset[int] = frozenset(),
    path: str = "",
    complete: bool = True,
    duration: float = 0.0,
) -> Answer:
    """Give the answer to a cancellation when it is done, raise an `ElevateError` when it is not.

    The vendor does not say what a successful cancel answers: a 2xx that holds no error message is done, unless it
    was cut or says `false`. Arguments as for `read_register_answer`.
    """
    facts = _facts("cancellation", status, headers, body, secret, path, complete, duration)
    del headers, body
    if facts.is_success_status and facts.is_whole and not facts.refusals and not _says_no(facts.parsed):
        return facts.answer
    raise _failure(facts, key_fields, safe_statuses)


def _failure(facts: _Facts, key_fields: frozenset[str], safe_statuses: frozenset[int]) -> ElevateError:
    """Judge an answer that is not done. The first row that fits decides.

    | answer | outcome | because |
    | --- | --- | --- |
    | 407, 421, 425, 429; 503 with a readable Retry-After; even with messages | not sent | turned away at the door, and asked to come again |
    | `error_messages`, 401 or 403 or a field of `key_fields` | key refused | concerns every registration: delivery pauses |
    | `error_messages`, any status | refused | documented; a person reads the text |
    | body cut before its end | unknown | the missing part may have held the ID |
    | a status the operator listed as safe, 300 or higher | not sent | he knows his proxy |
    | register, 2xx without an ID | unknown | Elevate may have registered and worded it differently |
    | cancel, 2xx that says `false` | unknown | neither documented nor a yes |
    | 301, 307, 308; 302, 303 to the same path | not sent | the address is wrong (http, www, slash), nobody read the body |
    | other 3xx | unknown | a 302 or 303 may also follow a completed action; repeating it for ever could register for ever |
    | 401, 403 | key refused | the key, or a firewall in front of every call |
    | register, 404, 405, 410 | not sent | no page there, so no registration; Elevate words an unknown product in `error_messages`. Seen by the age of the oldest waiting row |
    | cancel, 404, 405, 410 | refused | may also mean that this one registration is gone, and repeating would keep that from staff |
    | 408 | unknown | some gateways answer it when Elevate itself was slow |
    | other 4xx | refused | the same call gets the same answer: repeating it hides it, a person sees it with its body |
    | 5xx and the rest | unknown | Elevate may have stored the registration before it failed |
    """
    for judge in (_turned_away, _refusal, _cut):
        if error := judge(facts, key_fields):
            return error
    if facts.status >= 300 and facts.status in safe_statuses:
        return _error(
            NotSent, facts, "a status that the settings call safe to repeat. It will be tried again"
        )
    return _by_status(facts)


def _turned_away(facts: _Facts, _key_fields: frozenset[str]) -> ElevateError | None:
    asked_to_wait = facts.status == 503 and facts.retry_after is not None
    if facts.status in _NEVER_PROCESSED or asked_to_wait:
        return _error(NotSent, facts, "turned away before it was read. It will be tried again later")
    return None


def _refusal(facts: _Facts, key_fields: frozenset[str]) -> ElevateError | None:
    if not facts.refusals:
        return None
    names = {name.partition(".")[0] for name, _ in facts.refusals}
    if facts.status in _KEY_STATUSES or names & key_fields:
        return _error(
            KeyRefused, facts, "the API key was refused. Compare the key in the settings with Elevate's"
        )
    return _error(Refused, facts, "refused. Read Elevate's messages, correct what they name, then retry")


def _cut(facts: _Facts, _key_fields: frozenset[str]) -> ElevateError | None:
    if facts.is_whole:
        return None
    return _error(OutcomeUnknown, facts, f"the answer stopped before its end or was too large. {_LOOK}")


_LOOK = "Look at Elevate before you repeat it by hand"
_CHECK_ADDRESS = "Check the Elevate address and the path in the settings"


def _by_status(facts: _Facts) -> ElevateError:
    status = facts.status
    if facts.is_success_status:
        text = f"the answer is not one that Elevate documents. {_LOOK}"
        return _error(OutcomeUnknown, facts, text)
    if 300 <= status < 400:
        moved: type[ElevateError] = NotSent if facts.is_move else OutcomeUnknown
        return _error(moved, facts, f"redirected, which is never followed. {_CHECK_ADDRESS}")
    if status in _KEY_STATUSES:
        text = "the key was refused, or a firewall stands before Elevate. Compare the key in the settings with Elevate's"
        return _error(KeyRefused, facts, text)
    if status in _WRONG_PATH:
        missing: type[ElevateError] = Refused if facts.operation == "cancellation" else NotSent
        return _error(missing, facts, f"there is nothing at this address. {_CHECK_ADDRESS}")
    if 400 <= status < 500 and status != 408:
        return _error(Refused, facts, "refused without a readable reason. Read the answer's body, then retry")
    return _error(OutcomeUnknown, facts, f"Elevate failed after the call was sent. {_LOOK}")


def _error(kind: type[ElevateError], facts: _Facts, text: str) -> ElevateError:
    answer = facts.answer
    return kind(
        f"{facts.operation.capitalize()}, HTTP {facts.status}: {text}.",
        status_code=answer.status_code,
        body=answer.body,
        messages=answer.messages,
        retry_after=facts.retry_after,
        registration_id=answer.registration_id,
        id_is_number=answer.id_is_number,
        duration=answer.duration,
    )


def _facts(
    operation: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    secret: Secret,
    path: str,
    complete: bool,  # noqa: FBT001 - only called from the two functions above
    duration: float,
) -> _Facts:
    text = body.decode("utf-8-sig", "replace")
    parsed = _parse(text)
    said = parsed if isinstance(parsed, dict) else {}
    refusals = clean_messages(said.get("error_messages"), secret=secret)
    # Observed in the vendor's Report API. Not documented here, so it decides only where it would else pass for a yes.
    others = clean_messages([said.get("error"), said.get("errors")], secret=secret)
    if not refusals and 200 <= status < 300:
        refusals = others
    registration_id, id_is_number = clean_id(said.get("registration_id"), secret=secret)
    return _Facts(
        operation=operation,
        answer=Answer(
            status_code=status,
            body=clean_body(text, parsed, secret=secret),
            registration_id=registration_id,
            id_is_number=id_is_number,
            product_url=clean_url(said.get("product_url"), secret=secret),
            messages=refusals or others or clean_messages(said.get("message"), secret=secret),
            duration=duration,
        ),
        parsed=parsed,
        refusals=refusals,
        retry_after=read_retry_after(headers),
        is_move=_is_move(status, headers, path),
        # JSON that closes its outermost brace lost nothing, even if the connection broke right after it.
        is_whole=complete or isinstance(parsed, dict),
    )


def _parse(text: str) -> Any:
    """Read JSON; None when it is not JSON."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


# Python refuses integers of more than 4,300 digits, and with them the whole answer: no ID is that long.
_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) <= ID_LIMIT else None)


def _says_no(parsed: Any) -> bool:
    return parsed is False or (isinstance(parsed, dict) and parsed.get("success") is False)


def _is_move(status: int, headers: Mapping[str, str], path: str) -> bool:
    if status in _MOVED:
        return True
    if status not in _FOUND or not path:
        return False
    try:
        return urlsplit(_header(headers, "location")).path.rstrip("/") == path.rstrip("/")
    except ValueError:
        return False


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After` (seconds or HTTP date, RFC 9110) as seconds from now, at most a day; None if unreadable."""
    value = _header(headers, "retry-after").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), RETRY_AFTER_LIMIT)
    until = _date(value)
    if until is None:
        return None
    # The server's own clock, where it tells it, so that a wrong clock here does not matter.
    now = _date(_header(headers, "date")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_LIMIT)


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _header(headers: Mapping[str, str], name: str) -> str:
    # `http.client` gives what is not ASCII as an object of its own.
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")
