"""Makes text from outside safe to keep: cleaned, capped, without the API key. Imports the standard library only."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus, urlsplit

BODY_LIMIT = 4_000
MESSAGE_LIMIT = 500
MESSAGE_COUNT_LIMIT = 20
FIELD_LIMIT = 100
ID_LIMIT = 64
URL_LIMIT = 500

# How much more than its limit of a text is looked at, so that megabytes cost nothing.
_SLACK = 2_000
# A shorter beginning of the key at the end of a cut text is more likely chance than a leak.
_TELLING_LENGTH = 4
_NESTING_LIMIT = 4
# Control characters but tab and line feed. PostgreSQL takes no NUL at all.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ID = re.compile(rf"[!-~]{{1,{ID_LIMIT}}}")
_NOT_IN_A_URL = re.compile(r"[\s<>\"\\\x00-\x1f\x7f]")


class Secret:
    """The API key, kept where `repr`, `str`, `vars`, `pickle` and tracebacks with locals do not show it."""

    __slots__ = ("_forms", "_json")

    def __init__(self, value: str) -> None:
        self._json = json.dumps(value)
        self._forms = _written_forms(value)

    def __repr__(self) -> str:
        return "[key]"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("The API key is not copied or pickled: give the key to each process by its settings.")

    def seal(self, fields_json: str) -> bytes:
        """Put the key into a JSON object that has at least one field."""
        return f'{{"api_key": {self._json}, {fields_json[1:]}'.encode()

    def scrub(self, text: str) -> str:
        """Replace the key by `[key]`, however it is written, and also its beginning at the end of a cut text."""
        for form in self._forms:
            text = text.replace(form, "[key]")
        for form in self._forms:
            for length in range(len(form) - 1, _TELLING_LENGTH - 1, -1):
                if text.endswith(form[:length]):
                    return text[:-length] + "[key]"
        return text


def _written_forms(key: str) -> tuple[str, ...]:
    """List the ways in which an answer may repeat the key, the longest first."""
    if not key:
        return ()
    forms = {key, quote(key, safe=""), quote(key), quote_plus(key)}
    forms |= {re.sub("%[0-9A-F]{2}", lambda hexed: hexed.group().lower(), form) for form in forms}
    forms |= {html.escape(key), html.escape(key).replace("&#x27;", "&#039;")}
    for ensure_ascii in (True, False):
        once = json.dumps(key, ensure_ascii=ensure_ascii)[1:-1]
        # PHP writes "/" as "\/"; JSON inside a JSON string is escaped twice.
        forms |= {once, once.replace("/", "\\/"), json.dumps(once, ensure_ascii=ensure_ascii)[1:-1]}
    return tuple(sorted(forms, key=len, reverse=True))


def clean_text(text: str, *, limit: int, secret: Secret) -> str:
    """Drop control characters and lone surrogates, scrub the key, cut to `limit` characters."""
    # Clean before scrubbing, or a NUL inside the key would hide it; scrub before cutting, or half of it would stay.
    head = _CONTROLS.sub("", text[: limit + _SLACK]).encode("utf-8", "replace").decode()
    scrubbed = secret.scrub(head)
    return scrubbed if len(scrubbed) <= limit else scrubbed[: limit - 1] + "…"


def clean_body(text: str, parsed: Any, *, secret: Secret) -> str:
    """Make an answer fit to keep for staff."""
    if "\\u" in text and parsed is not None:
        # A key written with \u escapes is found only in what the JSON means.
        with suppress(RecursionError):
            meant = json.dumps(parsed, ensure_ascii=False)
            text = meant if secret.scrub(meant) != meant else text
    return clean_text(text, limit=BODY_LIMIT, secret=secret)


def clean_url(value: Any, *, secret: Secret) -> str:
    """Give an http(s) address of at most 500 characters, else `""`: it becomes a link on the member's page."""
    if not isinstance(value, str):
        return ""
    url = _CONTROLS.sub("", value[: URL_LIMIT + _SLACK]).strip()
    if len(url) > URL_LIMIT or _NOT_IN_A_URL.search(url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.netloc:
        return ""
    url = clean_text(url, limit=URL_LIMIT + _SLACK, secret=secret)
    return url if len(url) <= URL_LIMIT else ""


def clean_id(value: Any, *, secret: Secret) -> tuple[str, bool]:
    """Give a registration ID as text, and whether it came as a number; `("", True)` when it is not an ID.

    Blanks and NULs around a text are dropped. One that would have to be mended inside is no ID: a cancellation of the
    mended one could hit somebody else.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return "", True
    is_number = isinstance(value, int)
    text = str(value) if is_number else str(value).strip(" \t\r\n\0")
    if not _ID.fullmatch(text) or not text.strip("0") or text.startswith("-"):
        return "", True
    if not is_number and secret.scrub(text) != text:
        return "", True
    return text, is_number


def clean_messages(value: Any, *, secret: Secret) -> tuple[tuple[str, str], ...]:
    """Read `error_messages` (mapping, list or text, nested or not) as at most 20 (field, text) pairs."""
    pairs = (
        (
            clean_text(field, limit=FIELD_LIMIT, secret=secret),
            clean_text(text, limit=MESSAGE_LIMIT, secret=secret).strip(),
        )
        for field, text in _leaves(value, "", 0)
    )
    return tuple(islice((pair for pair in pairs if pair[1]), MESSAGE_COUNT_LIMIT))


def _leaves(value: Any, field: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _NESTING_LIMIT:
        yield field, "(more was nested here: see the whole answer)"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{field}.{name}" if field else str(name), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, field, depth + 1)
    elif value:
        yield field, str(value)
