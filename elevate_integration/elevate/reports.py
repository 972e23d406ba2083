"""What is asked of Elevate's Report API, and how its answer is read: pure, no HTTP, no Django.

Sources: the vendor's support article *Elevate Report API* for the question; answers as observed by a public connector.
How a site spells its fields is not documented, so it is a setting. What cannot be read raises `ReportUnreadable`: a
report with a line left out would make that registration look missing.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn

from .answers import DEFAULT_KEY_FIELDS, read_retry_after
from .cleaning import ID_LIMIT, Secret, clean_body, clean_id, clean_messages, clean_text
from .errors import ReportTrouble, ReportUnreadable

RESOURCE = "productRegistration"
TEXT_LIMIT = 300

_NO_SECRET = Secret("")
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}(\.[A-Za-z_][A-Za-z0-9_]{0,99})*")
_NO_SUCH_FIELD = re.compile(
    r"field\s+[\"'`]?([\w.]+)[\"'`]?\s+(?:doesn.{0,6}t|does not) exist", re.IGNORECASE
)
_AMOUNT = re.compile(r"-?\$?([0-9]{1,3}(,[0-9]{3})+|[0-9]{1,12})(\.[0-9]{1,10})?")
# Elevate answers without a zone; one that is there all the same is dropped, the wall clock is what was asked for.
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?\s*(Z|[+-][0-9:]{4,6})?"
)
_ABSENT = object()


@dataclass(frozen=True)
class ReportFields:
    """How this Elevate site spells the fields of a registration's report; a dot leads into a relation.

    An empty name means that the site has no such field: it is not asked for. `transaction_at`, `product_id` and one of
    `id`, `user_id` and `email` are needed. Raises ValueError.
    """

    id: str = "id"
    transaction_at: str = "transaction_at"
    price: str = "price_after_discount"
    email: str = "user.email"
    user_id: str = "user.member_id"
    product_id: str = "product.remote_product_id"
    product_title: str = "product.title"

    def __post_init__(self) -> None:
        for key, name in self._all():
            if name and not _FIELD_NAME.fullmatch(name):
                raise ValueError(f"{key} needs the name of a field, such as {_DEFAULT_NAMES[key]!r}")
        if not self.transaction_at or not self.product_id:
            raise ValueError(
                "transaction_at and product_id cannot be empty: nothing can be compared without them"
            )
        if not (self.id or self.user_id or self.email):
            raise ValueError("one of id, user_id and email is needed: nothing can be compared without them")
        names = list(self.asked().values())
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is named twice")
            if any(other.startswith(f"{name}.") for other in names):
                raise ValueError(f"{name} cannot be both a field and a relation")

    @classmethod
    def from_mapping(cls, names: Mapping[str, str]) -> ReportFields:
        """Read a setting: keys as above, in lower case. Raises ValueError or TypeError and names the nearest key."""
        if not isinstance(names, Mapping):
            raise TypeError("a dict is needed")
        for key, name in names.items():
            if key not in _DEFAULT_NAMES:
                near = difflib.get_close_matches(str(key).lower(), _DEFAULT_NAMES, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_DEFAULT_NAMES)}"
                raise ValueError(f"{key!r} is no field that is compared{hint}")
            if not isinstance(name, str):
                raise TypeError(f"{key} needs the name of a field as text, or '' when the site has none")
        return cls(**{key: name.strip() for key, name in names.items()})

    def asked(self) -> dict[str, str]:
        """Give the names that are asked for, by key."""
        return {key: name for key, name in self._all() if name}

    def key_of(self, name: str) -> str:
        """Give the key under which a name of Elevate's stands here; `""` when it is not ours."""
        exact = [key for key, ours in self.asked().items() if ours.lower() == name.lower()]
        last = [key for key, ours in self.asked().items() if ours.lower().rpartition(".")[2] == name.lower()]
        return next(iter(exact or (last if len(last) == 1 else [])), "")

    def _all(self) -> Iterator[tuple[str, str]]:
        return ((entry.name, getattr(self, entry.name)) for entry in fields(self))


_DEFAULT_NAMES: dict[str, str] = {entry.name: str(entry.default) for entry in fields(ReportFields)}


@dataclass(frozen=True)
class ReportRequest:
    """The registrations of a stretch of time; both ends belong to it, to the second.

    since, until: wall-clock times of the Elevate site, without a zone: its zone is not documented.
    """

    since: datetime
    until: datetime
    names: ReportFields = ReportFields()

    def __post_init__(self) -> None:
        if self.since.tzinfo or self.until.tzinfo:
            raise ValueError(
                "A report is asked for by the wall clock of the Elevate site: give times without a zone."
            )
        if self.since > self.until:
            raise ValueError("A report cannot end before it begins.")

    def fields(self) -> dict[str, Any]:
        """Give the JSON body without the key."""
        wanted: dict[str, Any] = {}
        for name in self.names.asked().values():
            *relations, leaf = name.split(".")
            place = wanted
            for relation in relations:
                place = place.setdefault(relation, {})
            place[leaf] = True
        return {
            "format": "json",
            "labels": False,
            "resource": RESOURCE,
            "fields": wanted,
            "filters": {
                self.names.transaction_at: {">=": _written(self.since), "<=": _written(self.until)},
            },
        }


@dataclass(frozen=True)
class ReportLine:
    """One registration as Elevate reports it; `""` or None where the site gave nothing.

    report_id: the report's own ID. Whether it is the registration ID must be proved before it is used as one.
    transaction_at: wall-clock time of the Elevate site, without a zone.
    """

    report_id: str
    transaction_at: datetime | None
    remote_product_id: str
    product_title: str
    remote_user_id: str = field(repr=False)
    email: str = field(repr=False)
    price: Decimal | None


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
    names: ReportFields = ReportFields(),
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
    judged: Judged | None = _judge(
        status, messages, names, key_fields, path, is_timed=retry_after is not None
    )
    if judged is None and not complete and parsed is None:
        judged = (
            "unreadable",
            "",
            "the answer stopped before its end or was too large. Compare a shorter time",
        )
    if judged is None:
        try:
            lines, count = _read(parsed, names, secret if _tells(secret, text, parsed) else _NO_SECRET)
        except _CannotReadError as error:
            judged = "unreadable", error.key, str(error)
        else:
            return Report(lines, count, duration)
    trouble, key, reason = judged
    failure = ReportUnreadable(
        f"Report, HTTP {status}: {reason}.",
        trouble=trouble,
        field=key,
        status_code=status,
        body=clean_body(text, parsed, secret=secret),
        messages=messages,
        retry_after=retry_after,
        duration=duration,
    )
    del text, parsed, said, messages
    raise failure


Judged = tuple[ReportTrouble, str, str]


def _judge(
    status: int,
    messages: tuple[tuple[str, str], ...],
    names: ReportFields,
    key_fields: frozenset[str],
    path: str,
    *,
    is_timed: bool,
) -> Judged | None:
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
        return "hurried", "", "asked too soon after the last report. Wait, or raise REPORT_PAUSE"
    if 300 <= status < 400:
        return (
            "wrong_address",
            "",
            f"redirected, which is never followed. Check URL and REPORT_PATH in the settings{_at(path)}",
        )
    for _, text in messages:
        if found := _NO_SUCH_FIELD.search(text):
            return _no_such_field(found[1], names)
    if status in (401, 403) or _speaks_of(messages, key_fields):
        return (
            "key_refused",
            "",
            "the key was refused, or it may not read reports. Compare REPORT_KEY (empty: API_KEY) with Elevate's, and ask"
            " the vendor whether reports are part of your site",
        )
    if messages:
        return "unreadable", "", "Elevate answered with an error. Read its messages"
    if status in (404, 405, 410):
        return (
            "wrong_address",
            "",
            f"there is nothing at this address. Check URL and REPORT_PATH in the settings{_at(path)}, and ask the vendor"
            " whether reports are part of your site",
        )
    if not 200 <= status < 300:
        return "unreadable", "", "Elevate failed. Ask again later"
    return None


def _no_such_field(name: str, names: ReportFields) -> Judged:
    key = names.key_of(name)
    if not key:
        return (
            "unknown_field",
            "",
            "Elevate does not know one of the fields. Read its messages and set REPORT_FIELDS",
        )
    ours = names.asked()[key]
    return (
        "unknown_field",
        key,
        f'Elevate has no field "{ours}". Set "{key}" in REPORT_FIELDS to the name that your site uses (a GET of the'
        ' report\'s address lists its fields), or to "" if it has none',
    )


def _speaks_of(messages: Iterable[tuple[str, str]], key_fields: frozenset[str]) -> bool:
    """Whether an error is about the key: by its field, or since its text names one, as in "Invalid API key"."""
    words = [re.escape(name).replace("_", "[ _-]?") for name in key_fields if name]
    if not words:
        return False
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    return any(pattern.search(f"{name} {text}") for name, text in messages)


def _at(path: str) -> str:
    return f" (asked: {path})" if path else ""


class _CannotReadError(Exception):
    """Why an answer is no report; key: of `ReportFields`, where one field is to blame."""

    def __init__(self, text: str, *, key: str = "") -> None:
        super().__init__(text)
        self.key = key


def _read(parsed: Any, names: ReportFields, secret: Secret) -> tuple[tuple[ReportLine, ...], int]:
    response = parsed.get("response") if isinstance(parsed, dict) else None
    if not isinstance(response, dict):
        raise _CannotReadError("the answer is not a report. Read its body")
    items = response.get("items")
    if isinstance(items, dict) and all(key.isdigit() for key in items):
        # How PHP writes a list whose numbers have a gap.
        items = list(items.values())
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _CannotReadError("the list of registrations cannot be read. Read the answer's body")
    count = _count(response.get("count"))
    if count is None or count < len(items):
        raise _CannotReadError("the number of registrations is missing or too small, so it may be cut unseen")
    columns = {key: _column(items, key, name) for key, name in names.asked().items()}
    nothing = [None] * len(items)
    text = partial(_text, secret=secret)
    report_id = partial(_report_id, secret=secret)
    read = zip(
        *(
            [reader(value, key=key) for value in columns.get(key, nothing)]
            for key, reader in (
                ("id", report_id if names.id else text),
                ("transaction_at", _moment),
                ("product_id", text),
                ("product_title", text),
                ("user_id", text),
                ("email", text),
                ("price", _amount),
            )
        ),
        strict=True,
    )
    return tuple(ReportLine(*values) for values in read), count


def _column(items: list[dict[str, Any]], key: str, name: str) -> list[Any]:
    """Give a field of each line, None where it is null; an answer that holds it nowhere spells it differently."""
    values = [_value(item, name) for item in items]
    if items and all(value is _ABSENT for value in values):
        raise _CannotReadError(
            f'the answer holds no "{name}". Set "{key}" in REPORT_FIELDS to the name that your site uses',
            key=key,
        )
    return [None if value is _ABSENT else value for value in values]


def _value(item: dict[str, Any], name: str) -> Any:
    """Find a field, flat (`"user.email"`) or nested; None inside a relation that is empty."""
    if name in item:
        return item[name]
    place: Any = item
    *relations, leaf = name.split(".")
    for relation in relations:
        if relation not in place:
            return _ABSENT
        place = place[relation]
        if place is None or place in ([], "", {}):
            return None
        if not isinstance(place, dict):
            raise _CannotReadError(f'"{relation}" of a registration cannot be read. Read the answer\'s body')
    return place.get(leaf, _ABSENT)


def _report_id(value: Any, *, key: str, secret: Secret) -> str:
    found = clean_id(value, secret=secret)[0]
    if not found:
        raise _not_readable(key)
    return found


def _text(value: Any, *, key: str, secret: Secret) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _not_readable(key)
    return clean_text(str(value), limit=TEXT_LIMIT, secret=secret).strip()


def _moment(value: Any, *, key: str) -> datetime | None:
    if value is None or value == "":
        return None
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise _not_readable(key)
    try:
        return datetime.fromisoformat(f"{found[1]} {found[2]}")
    except ValueError:
        raise _not_readable(key) from None


def _amount(value: Any, *, key: str) -> Decimal | None:
    if value is None or value == "":
        return None
    written = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value).strip()
    if not _AMOUNT.fullmatch(written):
        raise _not_readable(key)
    return Decimal(written.replace(",", "").replace("$", ""))


def _not_readable(key: str) -> _CannotReadError:
    return _CannotReadError(
        f'the "{key}" of a registration cannot be read. Read the answer\'s body, and look at "{key}" in REPORT_FIELDS',
        key=key,
    )


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= ID_LIMIT:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


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
