"""System checks: each missing or wrong setting by its ID, with the mend in the hint. Nothing here queries, but for the
check of the database's character set, which runs where Django checks databases.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import connections, router
from django.template import Engine, TemplateSyntaxError

from elevate_integration import watching
from elevate_integration.conf import KEYS, Conf, conf, order_source
from elevate_integration.delivery import dispatchers
from elevate_integration.keys import read_key_file, why_unreadable
from elevate_integration.models import Registration
from elevate_integration.orders.fields import FieldOrderSource
from elevate_integration.orders.source import OrderSource, Watch

# Seconds between the end of the longest call and the end of the lease, in which the answer has to be written.
LEASE_MARGIN = 15.0
# Characters that the token of a monitor has at least.
TOKEN_LENGTH = 20
_TEMPLATES = ("cancellation_explanation", "cancellation_explanation_for_user", "cancellations_email")

Check = Callable[[Conf], Iterable[checks.CheckMessage]]


def register() -> None:
    """Add the checks to Django's. Safe to call again."""
    checks.register(check_settings)
    checks.register(check_charset, checks.Tags.database)


def check_settings(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check the ELEVATE setting and what it names."""
    if not getattr(django_settings, "ELEVATE", None):
        text = "ELEVATE is not set, so nothing is registered at Elevate."
        hint = "Set ELEVATE in the settings: URL, API_KEY, GO_LIVE and ORDER_SOURCE at least."
        return [checks.Warning(text, hint=hint, id="elevate.W001")]
    try:
        settings = conf()
    except ImproperlyConfigured as error:
        known = ", ".join(KEYS)
        return [checks.Error(str(error), hint=f"Correct ELEVATE. The keys are: {known}.", id="elevate.E001")]
    return [message for check in CHECKS for message in check(settings)]


def _url(settings: Conf) -> Iterator[checks.CheckMessage]:
    if not settings.url:
        hint = 'Set ELEVATE["URL"] to the address of your Elevate site, `https://…`.'
        yield checks.Error("The address of the Elevate site is missing.", hint=hint, id="elevate.E002")
        return
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        hint = 'Set ELEVATE["URL"] to an address such as `https://learn.example.org`.'
        yield checks.Error(f"ELEVATE['URL'] is no address: {settings.url!r}.", hint=hint, id="elevate.E003")
    elif parts.scheme == "http" and not _is_loopback(parts.hostname):
        hint = 'Write `https://` in ELEVATE["URL"]. Plain http is accepted for this machine only.'
        yield checks.Error(
            "The API key and members' data would travel unprotected.", hint=hint, id="elevate.E004"
        )


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _stripped_path(settings: Conf) -> Iterator[checks.CheckMessage]:
    if settings.url_stripped:
        text = f"ELEVATE['URL'] had the path {settings.url_stripped!r}, which is left out."
        hint = f'Write {settings.url!r}. The prefix of a gateway belongs into ELEVATE["REGISTER_PATH"] and "CANCEL_PATH".'
        yield checks.Warning(text, hint=hint, id="elevate.W002")


def _api_key(settings: Conf) -> Iterator[checks.CheckMessage]:
    if settings.api_key_file:
        yield from _api_key_file(settings)
        return
    if not settings.api_key:
        hint = (
            'Set ELEVATE["API_KEY"] from the environment, or ELEVATE["API_KEY_FILE"] to a file that holds it. The key '
            "is shown in the administration of Elevate."
        )
        yield checks.Error("The API key is missing.", hint=hint, id="elevate.E005")


def _api_key_file(settings: Conf) -> Iterator[checks.CheckMessage]:
    path = Path(settings.api_key_file)
    if settings.api_key:
        text = 'Both ELEVATE["API_KEY"] and ELEVATE["API_KEY_FILE"] are set; the file counts.'
        yield checks.Warning(text, hint="Leave one of them out.", id="elevate.W008")
    try:
        read_key_file(str(path))
        open_to_all = path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)
    except (OSError, ValueError) as error:
        text = f'ELEVATE["API_KEY_FILE"] {settings.api_key_file!r} gives no API key: {why_unreadable(error)}.'
        hint = "Write the key into it, on one line, readable for whoever delivers."
        yield checks.Error(text, hint=hint, id="elevate.E022")
        return
    if open_to_all and os.name == "posix":
        text = f'ELEVATE["API_KEY_FILE"] {settings.api_key_file!r} can be read or written by everybody.'
        hint = "Take the rights of others away: `chmod o-rwx`."
        yield checks.Warning(text, hint=hint, id="elevate.W009")


def _go_live(settings: Conf) -> Iterator[checks.CheckMessage]:
    if settings.go_live is None:
        text = "The go-live date is missing, so no order is registered."
        hint = (
            'Set ELEVATE["GO_LIVE"], for example "2026-01-31". Orders placed before it are never registered.'
        )
        yield checks.Error(text, hint=hint, id="elevate.E006")


def _source(settings: Conf) -> Iterator[checks.CheckMessage]:
    if not settings.order_source:
        hint = 'Set ELEVATE["ORDER_SOURCE"] to the dotted path of your OrderSource class.'
        yield checks.Error("The order source is not set, so no order is seen.", hint=hint, id="elevate.E007")
        return
    try:
        source = order_source()
    except ImproperlyConfigured as error:
        hint = "Correct the path. The class must be importable and implement every abstract method of OrderSource."
        yield checks.Error(str(error), hint=hint, id="elevate.E008")
        return
    if not isinstance(source, OrderSource):
        text = f"ELEVATE['ORDER_SOURCE'] {settings.order_source!r} is no OrderSource."
        hint = "Derive the class from elevate_integration.orders.source.OrderSource."
        yield checks.Error(text, hint=hint, id="elevate.E008")
        return
    wrong = list(_field_paths(source))
    yield from wrong
    if not wrong:
        yield from _watches(source)
    yield from _problems(source)


def _field_paths(source: OrderSource) -> Iterator[checks.CheckMessage]:
    for text in source.path_errors() if isinstance(source, FieldOrderSource) else ():
        hint = 'Correct the path in ELEVATE["ORDER_FIELDS"]; until then no order is seen.'
        yield checks.Error(f"ELEVATE['ORDER_FIELDS']: {text}", hint=hint, id="elevate.E021")


def _problems(source: OrderSource) -> Iterator[checks.CheckMessage]:
    try:
        found = list(source.problems())
    except Exception as error:  # noqa: BLE001 - the host's code; what it raised is the finding
        found = [f"The order source could not be checked: {type(error).__name__}: {error}"]
    for text in found:
        hint = f"Correct the settings of {type(source).__name__}, or its class."
        yield checks.Warning(text, hint=hint, id="elevate.W007")


def _watches(source: OrderSource) -> Iterator[checks.CheckMessage]:
    try:
        watches = list(source.watches())
    except Exception as error:  # noqa: BLE001 - the host's code; what it raised is the finding
        text = f"The watches of the order source cannot be read: {type(error).__name__}: {error}"
        yield checks.Error(text, hint="Correct OrderSource.watches(); it must not query.", id="elevate.E009")
        return
    if not watches:
        text = "The order source watches nothing, so only the sweep sees orders."
        yield checks.Warning(
            text, hint="Give the signals of your orders in OrderSource.watches().", id="elevate.W003"
        )
    for watch in watches:
        yield from _sender(watch)


def _sender(watch: Watch) -> Iterator[checks.CheckMessage]:
    if not isinstance(watch.sender, str):
        return
    try:
        apps.get_model(watch.sender)
    except (LookupError, ValueError) as error:
        text = f"The order source watches an unknown model: {watch.sender!r}."
        hint = f'Write "app_label.Model" of an installed app in OrderSource.watches(). Django says: {error}'
        yield checks.Error(text, hint=hint, id="elevate.E010")


def _lease(settings: Conf) -> Iterator[checks.CheckMessage]:
    needed = settings.call_deadline + LEASE_MARGIN
    if settings.lease < needed:
        text = f"The lease of {settings.lease:g} seconds is too short for calls of {settings.call_deadline:g} seconds."
        hint = f'Set ELEVATE["LEASE"] to {needed:g} or more, else two workers may send the same call.'
        yield checks.Error(text, hint=hint, id="elevate.E011")


def _dispatcher(settings: Conf) -> Iterator[checks.CheckMessage]:
    try:
        made = dispatchers.make(settings.dispatcher)
    except ImproperlyConfigured as error:
        known = ", ".join(sorted(dispatchers.BUILT_IN))
        yield checks.Error(
            str(error), hint=f'Set ELEVATE["DISPATCHER"] to one of {known}.', id="elevate.E012"
        )
        return
    if made.waits:
        text = "Delivery runs inside the request, so a checkout waits for Elevate."
        hint = 'Use "thread" or "worker" in ELEVATE["DISPATCHER"]; "inline" is for tests.'
        yield checks.Warning(text, hint=hint, id="elevate.W004")


def _paths(settings: Conf) -> Iterator[checks.CheckMessage]:
    for key in ("register_path", "cancel_path"):
        path = getattr(settings, key)
        if not path.startswith("/"):
            text = f"ELEVATE['{key.upper()}'] does not begin with a slash: {path!r}."
            yield checks.Error(text, hint=f"Write {'/' + path!r}.", id="elevate.E013")


def _remote_user_id(settings: Conf) -> Iterator[checks.CheckMessage]:
    name = settings.remote_user_id
    user = _user_model()
    if callable(name) or user is None:
        return
    first = name.partition(".")[0]
    if first != "pk" and not hasattr(user, first) and first not in {f.name for f in user._meta.get_fields()}:
        text = f"The user model {user._meta.label} has no attribute {first!r}."
        hint = 'Set ELEVATE["REMOTE_USER_ID"] to the attribute that your single sign-on sends to Elevate.'
        yield checks.Error(text, hint=hint, id="elevate.E014")
    elif name in {"email", "username", user.get_email_field_name()} - {user._meta.pk.name}:
        text = f"Members can change their {name}, and then Elevate no longer knows them."
        hint = 'Use what never changes, such as "pk", in ELEVATE["REMOTE_USER_ID"] if your single sign-on can send it.'
        yield checks.Warning(text, hint=hint, id="elevate.W005")


def _user_model() -> Any:
    """Give the host's user model; None for a host without Django's accounts."""
    try:
        return get_user_model()
    except ImproperlyConfigured:
        return None


def _texts(settings: Conf) -> Iterator[checks.CheckMessage]:
    for key in _TEMPLATES:
        text = getattr(settings, key)
        if callable(text):
            continue
        try:
            Engine().from_string(text)
        except TemplateSyntaxError as error:
            hint = f'Correct the template in ELEVATE["{key.upper()}"].'
            yield checks.Error(
                f"ELEVATE['{key.upper()}'] is no template: {error}", hint=hint, id="elevate.E015"
            )


def _ca_bundle(settings: Conf) -> Iterator[checks.CheckMessage]:
    if settings.ca_bundle and not Path(settings.ca_bundle).exists():
        text = f"The certificates in {settings.ca_bundle!r} are not there, so no call can be made."
        hint = 'Correct ELEVATE["CA_BUNDLE"], or leave it out to use the built-in certificates.'
        yield checks.Error(text, hint=hint, id="elevate.E016")


def _sqlite(settings: Conf) -> Iterator[checks.CheckMessage]:
    connection = connections[router.db_for_write(Registration)]
    if connection.vendor != "sqlite" or settings.dispatcher == "inline":
        return
    mode = connection.settings_dict.get("OPTIONS", {}).get("transaction_mode") or "DEFERRED"
    if str(mode).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        text = "SQLite fails with “database is locked” when shop and delivery write at the same time."
        hint = f'Set DATABASES["{connection.alias}"]["OPTIONS"] to {{"transaction_mode": "IMMEDIATE", "timeout": 20}}.'
        yield checks.Warning(text, hint=hint, id="elevate.W006")


def _digest(settings: Conf) -> Iterator[checks.CheckMessage]:
    for address in sorted(settings.digest_recipients):
        try:
            validate_email(address)
        except ValidationError:
            hint = 'Write addresses such as "office@example.org" in ELEVATE["DIGEST_RECIPIENTS"].'
            yield checks.Error(f"The digest cannot go to {address!r}.", hint=hint, id="elevate.E018")
    parts = urlsplit(settings.admin_url)
    if settings.admin_url and (parts.scheme not in ("http", "https") or not parts.hostname):
        text = f"ELEVATE['ADMIN_URL'] is no address: {settings.admin_url!r}."
        hint = 'Set ELEVATE["ADMIN_URL"] to an address such as `https://ams.example.org/admin/`, or leave it out.'
        yield checks.Error(text, hint=hint, id="elevate.E019")


def _mass_import(settings: Conf) -> Iterator[checks.CheckMessage]:
    known = {field.name for field in Registration._meta.get_fields()}
    for header, source in (settings.mass_import_columns or {}).items():
        if isinstance(source, str) and source not in known:
            text = f"ELEVATE['MASS_IMPORT_COLUMNS'] fills {header!r} from {source!r}, which registrations do not have."
            hint = (
                "Name a field of the registration, such as `remote_user_id`, or a callable by its full path."
            )
            yield checks.Error(text, hint=hint, id="elevate.E020")


def _watch(settings: Conf) -> Iterator[checks.CheckMessage]:
    missing = watching.not_installed(settings.watch)
    if missing:
        extras = ",".join(missing)
        hint = f'Install django-elevate-integration[{extras}], or take the name out of ELEVATE["WATCH"].'
        yield checks.Error(watching.missing_text(missing), hint=hint, id="elevate.E023")
    if settings.monitor_token and len(settings.monitor_token) < TOKEN_LENGTH:
        text = f"ELEVATE['MONITOR_TOKEN'] is shorter than {TOKEN_LENGTH} characters, so it can be guessed."
        hint = "Take one from `python -c 'import secrets; print(secrets.token_urlsafe(32))'`."
        yield checks.Warning(text, hint=hint, id="elevate.W010")


CHECKS: tuple[Check, ...] = (
    _url,
    _stripped_path,
    _api_key,
    _go_live,
    _source,
    _lease,
    _dispatcher,
    _paths,
    _remote_user_id,
    _texts,
    _ca_bundle,
    _sqlite,
    _digest,
    _mass_import,
    _watch,
)


def check_charset(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Ask MySQL and MariaDB for the character set of the database that holds our tables."""
    alias = router.db_for_write(Registration)
    connection = connections[alias]
    if alias not in (databases or ()) or connection.vendor != "mysql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@character_set_database")
        charset = cursor.fetchone()[0]
    if charset == "utf8mb4":
        return []
    text = f"The database {alias!r} uses the character set {charset}, which cannot hold every name."
    hint = "Run `ALTER DATABASE … CHARACTER SET utf8mb4` before the first migrate, and convert tables that exist."
    return [checks.Error(text, hint=hint, id="elevate.E017")]
