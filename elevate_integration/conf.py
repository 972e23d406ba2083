"""The ELEVATE setting: defaults, parsing, one typed object. Every other module reads settings through `conf()`."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.module_loading import import_string

from elevate_integration.elevate.payloads import normalise_url
from elevate_integration.elevate.reports import ReportFields

TextOrCallable = str | Callable[..., str]


def _setting(default: Any, text: str, **options: Any) -> Any:
    return field(default=default, metadata={"help": text}, **options)


@dataclass(frozen=True)
class Conf:
    """The settings as the package uses them. Field names are the keys of the ELEVATE dict in lower case."""

    url: str = _setting("", "Address of the Elevate site, `https://…`. A pasted path is stripped.")
    api_key: str | Callable[[], str] = _setting(
        "",
        "The site's API key, or a callable that gives it. Keep it in the environment, not in the code.",
        repr=False,
    )
    api_key_file: str = _setting(
        "",
        "Path of a file with the API key, instead of `API_KEY`. Read again and again, see `docs/key.md`.",
    )
    order_source: str = _setting("", "Dotted path of the host's `OrderSource` class.")
    oscar: Mapping[str, Any] | None = _setting(
        None, "What the ready source for django-oscar must know: a dict, see `docs/oscar.md`."
    )
    order_fields: Mapping[str, Any] | None = _setting(
        None, "Your own shop described by paths, for `FieldOrderSource`: a dict, see `docs/order-source.md`."
    )
    go_live: datetime | None = _setting(
        None, "Orders placed before this date are never registered. A date, a datetime or ISO text."
    )
    register_path: str = _setting("/api/registrations", "Path of the Registration API.")
    cancel_path: str = _setting("/registrations/cancel", "Path of the Cancellation API.")
    report_path: str = _setting("/api/reports", "Path of the Report API, by which Elevate is compared.")
    report_key: str = _setting(
        "", "The Report API's own key, if your site has one. Empty: `API_KEY`.", repr=False
    )
    report_fields: ReportFields = _setting(
        ReportFields(), "How your site spells the fields of a report: a dict, see `docs/reconcile.md`."
    )
    report_pause: float = _setting(4.0, "Seconds between two reports. Elevate turns away who asks sooner.")
    reconcile_at: str = _setting(
        "",
        "Time of day, such as `03:10`, at which whoever delivers compares Elevate. Empty: only by command.",
    )
    connect_timeout: float = _setting(10.0, "Seconds to wait for a connection.")
    read_timeout: float = _setting(60.0, "Seconds to wait for each piece of an answer.")
    call_deadline: float = _setting(90.0, "Seconds that one whole call may take.")
    lease: float = _setting(
        180.0, "Seconds after which a claimed registration is free again. Longer than CALL_DEADLINE."
    )
    trust_env: bool = _setting(
        False, "Whether proxies and certificates named in the environment are used (`requests`' `trust_env`)."
    )
    ca_bundle: str | None = _setting(
        None, "Path of a file with the certificate authorities to trust. Certificates are always checked."
    )
    safe_statuses: frozenset[int] = _setting(
        frozenset(), "HTTP statuses that your Elevate site answers only when it has stored nothing."
    )
    key_fields: frozenset[str] = _setting(
        frozenset({"api_key"}), "Names under `error_messages` that mean: the API key is wrong."
    )
    key_suspect_after: int = _setting(
        10, "Identical refusals over 3 products and 3 learners that count as a wrong API key."
    )
    send_email: bool = _setting(
        False, "Whether Elevate mails the learner after a registration. Each mapping may override it."
    )
    send_amounts: bool = _setting(True, "Off: every registration is sent with the amount `0.00`.")
    remote_user_id: str | Callable[[Any], Any] = _setting(
        "pk", "Attribute of the host's user (or a callable) that the single sign-on sends to Elevate."
    )
    name_placeholder: str = _setting("", "Sent instead of an empty first or last name.")
    payload: str | Callable[..., Mapping[str, Any]] | None = _setting(
        None,
        "Callable (or its path) that gets the registration and gives further fields, `explanation` among them.",
    )
    cancellations_email: TextOrCallable = _setting(
        "", "Address of the person at your office who gets Elevate's notice of a cancellation."
    )
    cancellation_explanation: TextOrCallable = _setting(
        "Order {{ registration.order_ref }} was refunded or cancelled.",
        "Explanation for staff in an automatic cancellation: text, template or callable.",
    )
    cancellation_explanation_for_user: TextOrCallable = _setting(
        "", "Explanation for the learner in an automatic cancellation: text, template or callable."
    )
    notify_cancelled_user: bool | Callable[..., bool] = _setting(
        False, "Whether Elevate mails the learner after an automatic cancellation."
    )
    dispatcher: str = _setting(
        "thread",
        "Who delivers: `thread`, `worker`, `celery`, `django_tasks`, `inline`, or the path of a dispatcher class.",
    )
    unconfirmed: str = _setting(
        "repeat_once", "What follows a lost answer: `repeat_once` or `hold` (wait for staff)."
    )
    threads: int = _setting(8, "Calls in flight at the same time, per process.")
    calls_per_second: float = _setting(
        0.0, "Calls that go out in a second at most, per process; 0 for no ceiling."
    )
    keep_plans: bool = _setting(
        True,
        "Whether a worker lets PostgreSQL keep the plans of its statements. Only where no pooler stands between.",
    )
    cancels_per_hour: int = _setting(
        20, "The brake: cancels beyond this many an hour are parked until a person lets them go."
    )
    new_per_sweep: int = _setting(
        50, "New registrations that one sweep may make by itself; beyond that it raises an alarm."
    )
    cancel_grace: float = _setting(
        10.0, "Seconds after which a refund is read a second time before the cancel goes out."
    )
    quiet_time: float = _setting(
        1.0, "Seconds without a new mark before an order saved outside a transaction is read."
    )
    retry_first: float = _setting(5.0, "Seconds before the first repeat of a call that failed for a while.")
    retry_ceiling: float = _setting(3600.0, "Seconds that the wait between repeats grows to.")
    unreachable_after: int = _setting(
        5, "Registrations failing in a row, repeats aside, until delivery waits and probes with one call."
    )
    probe_interval: float = _setting(60.0, "Seconds between probes while Elevate is away or refuses the key.")
    sweep_interval: float = _setting(300.0, "Seconds between two sweeps for changes that no signal told.")
    sweep_overlap: float = _setting(900.0, "Seconds by which each sweep looks back before the last one.")
    sweep_batch: int = _setting(
        200, "Orders with held or live registrations that a sweep reads again in rotation."
    )
    digest_recipients: frozenset[str] = _setting(
        frozenset(),
        "E-mail addresses that get the daily digest (`elevate_digest`). Empty: Django's `MANAGERS`.",
    )
    admin_url: str = _setting(
        "", "Address of your admin site, `https://ams.example.org/admin/`, for the links in the digest."
    )
    seat_link_days: int = _setting(60, "Days for which a buyer's link to name learners is good.")
    mass_import_columns: Mapping[str, str | Callable[[Any], Any]] | None = _setting(
        None,
        "Further columns of the export for Elevate's Mass Registration Import: header to a field of the "
        "registration, or to a callable (or its path) that gets it.",
    )
    prune_attempts_after: int | None = _setting(
        None, "Days after which `elevate_prune` deletes the records of calls. `None`: never."
    )
    forget_after: int | None = _setting(
        None,
        "Days without a change after which `elevate_prune` forgets the names and addresses of finished "
        "registrations. `None`: never.",
    )
    log_error_texts: bool = _setting(
        False,
        "Whether tracebacks in the log show the texts of errors. They may hold members' names and addresses.",
    )
    watch: frozenset[str] = _setting(
        frozenset(),
        "What measures: `prometheus`, `opentelemetry`, or both in a list; each needs its extra, see `docs/watching.md`.",
    )
    monitor_token: str = _setting(
        "",
        "What a monitor sends as `Authorization: Bearer …` to see health and metrics, instead of a log-in.",
        repr=False,
    )
    url_stripped: str = field(default="", repr=False)

    @property
    def repeat_once(self) -> bool:
        """Whether a registration in doubt is repeated once by itself."""
        return self.unconfirmed == "repeat_once"


KEYS = {f.name.upper(): f for f in fields(Conf) if f.metadata}


def conf() -> Conf:
    """Give the settings. Raises ImproperlyConfigured for an unknown key or a value of the wrong kind."""
    return _parse()


@lru_cache(maxsize=1)
def _parse() -> Conf:
    return parse(getattr(django_settings, "ELEVATE", {}))


def parse(raw: Mapping[str, Any]) -> Conf:
    """Read an ELEVATE dict. Raises ImproperlyConfigured and names the nearest known key."""
    found = _read(raw)
    # Not among the variables of a traceback: it holds the API key.
    del raw
    if isinstance(found, str):
        raise ImproperlyConfigured(found)
    return found


def _read(raw: Any) -> Conf | str:
    """Give the settings, or what is wrong with them."""
    if not isinstance(raw, Mapping):
        return "ELEVATE must be a dict."
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in KEYS:
            near = difflib.get_close_matches(str(key).upper(), KEYS, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            return f"ELEVATE has an unknown key {key!r}.{hint}"
        try:
            values[KEYS[key].name] = _convert(key, value)
        except (TypeError, ValueError, ImportError) as error:
            return f"ELEVATE[{key!r}] cannot be used: {error}"
        except Exception as error:  # noqa: BLE001 - a host's module; raised on, its traceback would show the API key
            return f"ELEVATE[{key!r}] cannot be used: {type(error).__name__}: {error}"
    base, stripped = normalise_url(values.get("url", ""))
    return Conf(**{**values, "url": base, "url_stripped": stripped})


def _convert(key: str, value: Any) -> Any:
    convert = _CONVERSIONS.get(KEYS[key].name)
    if convert is None:
        default = KEYS[key].default
        convert = _CONVERT_TYPE.get(type(default)) if default is not MISSING else None
    return value if convert is None else convert(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number of seconds is needed")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError("it must be finite and not negative")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number is needed")
    if value < 0:
        raise ValueError("it must not be negative")
    return value


def _days(value: Any) -> int:
    if not 1 <= _count(value) <= 3650:
        raise ValueError("use a number of days from 1 to 3650")
    return int(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("True or False is needed")
    return value


def _moment(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    if isinstance(value, str):
        parsed = parse_datetime(value) or parse_date(value)
        if parsed is None:
            raise ValueError("use a date such as 2026-01-31")
        value = parsed
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime):
        raise TypeError("use a date such as 2026-01-31")
    return in_host_zone(value)


def in_host_zone(value: datetime) -> datetime:
    """Make a datetime comparable with the host's own: aware when it uses time zones, naive in its zone otherwise."""
    if django_settings.USE_TZ:
        return timezone.make_aware(value) if timezone.is_naive(value) else value
    return value if timezone.is_naive(value) else timezone.make_naive(value, timezone.get_default_timezone())


def _choice(*allowed: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"use one of {', '.join(allowed)}")
        return str(value)

    return convert


def _text(value: Any) -> str:
    if value is None:
        # What `os.environ.get()` gives for a variable that is not there.
        return ""
    if not isinstance(value, str):
        raise TypeError("text is needed")
    return value.strip()


def _time_of_day(value: Any) -> str:
    text = _text(value)
    if text and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("use hours and minutes, such as 03:10")
    return text


def _folder(value: Any) -> str:
    address = _text(value)
    return f"{address.rstrip('/')}/" if address else ""


def _or_callable(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: value if callable(value) else convert(value)


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], frozenset[Any]]:
    def convert_all(value: Any) -> frozenset[Any]:
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            raise TypeError("a list is needed")
        return frozenset(convert(one) for one in value)

    return convert_all


def _options(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise TypeError("a dict is needed")
    return value


def _columns(value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError("a dict is needed")
    found: dict[str, Any] = {}
    for header, source in value.items():
        if header in ("email", "firstname", "lastname"):
            raise ValueError(f"the column {header} is there already")
        if not callable(source) and not isinstance(source, str):
            raise TypeError(f"{header} needs the name of a field or a callable")
        found[str(header)] = import_string(source) if isinstance(source, str) and "." in source else source
    return found


def _payload(value: Any) -> Callable[..., Any] | None:
    found = import_string(value) if isinstance(value, str) and value else value or None
    if found is not None and not callable(found):
        raise TypeError("a callable, or the path of one, is needed")
    return found


_CONVERT_TYPE: dict[type, Callable[[Any], Any]] = {bool: _switch, int: _count, float: _number, str: _text}
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "go_live": _moment,
    "ca_bundle": lambda value: str(value) if value else None,
    "safe_statuses": _each(_count),
    "key_fields": _each(_text),
    "digest_recipients": _each(_text),
    "admin_url": _folder,
    "api_key": _or_callable(_text),
    "api_key_file": lambda value: str(value).strip() if value else "",
    "unconfirmed": _choice("repeat_once", "hold"),
    "watch": _each(_choice("prometheus", "opentelemetry")),
    "threads": lambda value: max(1, _count(value)),
    "seat_link_days": _days,
    "prune_attempts_after": lambda value: None if value is None else _days(value),
    "forget_after": lambda value: None if value is None else _days(value),
    "remote_user_id": _or_callable(_text),
    "payload": _payload,
    "mass_import_columns": _columns,
    "oscar": _options,
    "reconcile_at": _time_of_day,
    "report_fields": lambda value: ReportFields.from_mapping(value or {}),
    "order_fields": _options,
    "cancellations_email": _or_callable(_text),
    "cancellation_explanation": _or_callable(_text),
    "cancellation_explanation_for_user": _or_callable(_text),
    "notify_cancelled_user": _or_callable(_switch),
}


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("ELEVATE", "USE_TZ", "TIME_ZONE"):
        _parse.cache_clear()
        _source.cache_clear()


setting_changed.connect(_forget, dispatch_uid="elevate_integration.conf")


def order_source() -> Any:
    """Give the host's `OrderSource`, made once. Raises ImproperlyConfigured when it is not set or not importable."""
    return _source(conf().order_source)


@lru_cache(maxsize=1)
def _source(path: str) -> Any:
    if not path:
        raise ImproperlyConfigured("ELEVATE['ORDER_SOURCE'] is not set: name your OrderSource class.")
    try:
        return import_string(path)()
    except Exception as error:
        raise ImproperlyConfigured(f"ELEVATE['ORDER_SOURCE'] {path!r} cannot be made: {error}") from error


def remote_user_id(user: Any) -> str:
    """Give the ID under which Elevate knows a user of the host, as REMOTE_USER_ID says; `""` when there is none.

    For order sources. Raises AttributeError when the user has no such attribute.
    """
    if user is None:
        return ""
    which = conf().remote_user_id
    if callable(which):
        value = which(user)
    else:
        value = user
        for name in which.split("."):
            value = getattr(value, name)
    return "" if value is None else str(value)
