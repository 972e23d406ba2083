"""How an answer of Elevate's Report API is read: pure, no HTTP, no Django.

What cannot be read raises `ReportUnreadable`: it says nothing about what is at Elevate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from .answers import DEFAULT_KEY_FIELDS, read_retry_after
from .cleaning import ID_LIMIT, Secret, clean_body, clean_messages
from .errors import ReportTrouble, ReportUnreadable
from .report_fields import ReportFields, ReportRequest
from .report_lines import CannotReadError, ReportLine, read_lines

__all__ = ["Report", "ReportFields", "ReportLine", "ReportRequest", "read_report_answer"]

_NO_SECRET = Secret("")
_VENDORS_NAMES = ReportFields()
_NO_SUCH_FIELD = re.compile(
    r"field\s+[\"'`]?([\w.]+)[\"'`]?\s+(?:doesn.{0,6}t|does not) exist", re.IGNORECASE
)


@dataclass(frozen=True)
class Report:
    """An answer that was read to its end. count: how many lines Elevate has. duration: seconds the call took."""

    lines: tuple[ReportLine, ...]
    count: int
    duration: float

    @property
    def cut(self) -> bool:
        """Whether Elevate left lines out: there is no second page, so ask for a shorter time."""
        return self.count > len(self.lines)


def read_report_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    names: ReportFields = _VENDORS_NAMES,
    secret: Secret = _NO_SECRET,
    key_fields: frozenset[str] = DEFAULT_KEY_FIELDS,
    path: str = "",
    complete: bool = True,
    duration: float = 0.0,
) -> Report:
    """Give the report, raise `ReportUnreadable` unless every line of it was read.

    key_fields: names that, in an error's text or its fields, mean the API key. path: the path that was called.
    complete: False when the body was cut.
    """
    text = body.decode("utf-8-sig", "replace")
    parsed = _parse(text)
    retry_after = read_retry_after(headers)
    del headers, body  # An echoed key must not be among the locals of a traceback.
    said = parsed if isinstance(parsed, dict) else {}
    messages = clean_messages(
        [said.get(name) for name in ("error", "errors", "error_messages")], secret=secret
    )
    failed = _judge(status, messages, names, key_fields, path, is_timed=retry_after is not None)
    if failed is None and not complete and parsed is None:
        failed = _Failed(
            "the answer stopped before its end or was too large. Compare a shorter time", "cut_short"
        )
    if failed is None:
        try:
            told = secret if _tells(secret, text, parsed) else _NO_SECRET
            return Report(*read_lines(parsed, names, secret=told), duration)
        except CannotReadError as error:
            failed = _Failed(str(error), key=error.key)
    failure = ReportUnreadable(
        f"Report, HTTP {status}: {failed.reason}.",
        trouble=failed.trouble,
        field=failed.key,
        status_code=status,
        body=clean_body(text, parsed, secret=secret),
        messages=messages,
        retry_after=retry_after,
        duration=duration,
    )
    del text, parsed, said, messages
    raise failure


class _Failed(NamedTuple):
    reason: str
    trouble: ReportTrouble = "unreadable"
    key: str = ""


def _judge(
    status: int,
    messages: tuple[tuple[str, str], ...],
    names: ReportFields,
    key_fields: frozenset[str],
    path: str,
    *,
    is_timed: bool,
) -> _Failed | None:
    """Name the trouble that status and messages tell of. The first row that fits decides.

    | answer | trouble |
    | --- | --- |
    | 429; 503 with a readable Retry-After | hurried |
    | 3xx | wrong address: redirects are never followed, since the body holds the key |
    | an error, any status, that says a field does not exist | unknown field |
    | 401, 403; an error that speaks of a field of `key_fields` | key refused |
    | any other error, any status | unreadable |
    | 404, 405, 410 without an error | wrong address |
    | any other status but 2xx | unreadable |
    """
    if status == 429 or (status == 503 and is_timed):
        return _Failed("asked too soon after the last report. Wait, or raise REPORT_PAUSE", "hurried")
    if 300 <= status < 400:
        return _wrong_address("redirected, which is never followed", path)
    for _, text in messages:
        if found := _NO_SUCH_FIELD.search(text):
            return _no_such_field(found[1], names)
    if status in (401, 403) or _speaks_of(messages, key_fields):
        return _Failed(
            "the key was refused, or it may not read reports. Compare REPORT_KEY (empty: API_KEY) with Elevate's, and"
            f" {_ASK_THE_VENDOR}",
            "key_refused",
        )
    if messages:
        return _Failed("Elevate answered with an error. Read its messages")
    if status in (404, 405, 410):
        return _wrong_address("there is nothing at this address", path, f", and {_ASK_THE_VENDOR}")
    if not 200 <= status < 300:
        return _Failed("Elevate failed. Ask again later")
    return None


_ASK_THE_VENDOR = "ask the vendor whether reports are part of your site"


def _wrong_address(reason: str, path: str, more: str = "") -> _Failed:
    asked = f" (asked: {path})" if path else ""
    return _Failed(f"{reason}. Check URL and REPORT_PATH in the settings{asked}{more}", "wrong_address")


def _no_such_field(name: str, names: ReportFields) -> _Failed:
    key = names.key_of(name)
    if not key:
        reason = "Elevate does not know one of the fields. Read its messages and set REPORT_FIELDS"
        return _Failed(reason, "unknown_field")
    reason = (
        f'Elevate has no field "{names.asked()[key]}". Set "{key}" in REPORT_FIELDS to the name that your site uses (a'
        ' GET of the report\'s address lists its fields), or to "" if it has none'
    )
    return _Failed(reason, "unknown_field", key)


def _speaks_of(messages: Iterable[tuple[str, str]], key_fields: frozenset[str]) -> bool:
    """Whether an error is about the key: by its field, or since its text names one, as in "Invalid API key"."""
    words = [re.escape(name).replace("_", "[ _-]?") for name in key_fields if name]
    if not words:
        return False
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    return any(pattern.search(f"{name} {text}") for name, text in messages)


def _tells(secret: Secret, text: str, parsed: Any) -> bool:
    """Whether an answer repeats the key. Asked once: scrubbing every text of a large report would take a minute."""
    try:
        meant = json.dumps(parsed, ensure_ascii=False) if "\\u" in text else text
    except RecursionError:
        return True
    return secret.scrub(meant) != meant


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")


# Decimals stay text, so that no cent is lost. Whole numbers of more digits than an ID has are no number of Elevate's.
_DECODER = json.JSONDecoder(
    parse_float=str,
    parse_int=lambda digits: int(digits) if len(digits) <= ID_LIMIT else None,
    parse_constant=_refuse_constant,
)


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
