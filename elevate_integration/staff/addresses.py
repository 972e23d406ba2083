"""Whether the addresses that visitors are sent to answer: asked outside any transaction, remembered on the mapping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce
from django.http.request import split_domain_port, validate_host
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from elevate_integration.elevate import addresses
from elevate_integration.events import event, get_logger
from elevate_integration.models import ProductMapping, database

if TYPE_CHECKING:
    from elevate_integration.words import Text

logger = get_logger(__name__)

# Hosts that `ALLOWED_HOSTS = []` stands for while DEBUG is on, as in Django's own `HttpRequest.get_host`.
_DEBUG_HOSTS = [".localhost", "127.0.0.1", "[::1]"]

_WORDS: dict[str, Text] = {
    addresses.TIMEOUT: _("no answer in time"),
    addresses.CERTIFICATE: _("the certificate is not valid"),
    addresses.UNREACHABLE: _("cannot be reached"),
    addresses.UNKNOWN_HOST: _("no such host"),
    addresses.REDIRECTS: _("leads in a circle"),
    addresses.INSIDE: _("lies inside your own network, so it was not asked"),
    addresses.INVALID: _("is no web address"),
}


@dataclass(frozen=True)
class Checked:
    """Numbers of mappings: whose address answers, whose does not, and which were not asked for lack of time."""

    answering: int = 0
    failing: int = 0
    left: int = 0


def is_own_host(*more: str) -> Callable[[str], bool]:
    """Give a function that tells whether a host is one of the site's own: `ALLOWED_HOSTS` without `*`, and `more`.

    more: hosts with or without a port, for example that of the request.
    """
    allowed = [host for host in settings.ALLOWED_HOSTS if host != "*"]
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        allowed = _DEBUG_HOSTS
    allowed += [split_domain_port(host)[0] for host in more if host]
    return lambda host: validate_host(f"[{host}]" if ":" in host else host.lower(), allowed)


def problem_words(problem: str) -> Text:
    """Say what is wrong with an address, for staff. problem: as stored, not empty."""
    if problem in _WORDS:
        return _WORDS[problem]
    number = problem.removeprefix(addresses.STATUS)
    try:
        return f"{number} {HTTPStatus(int(number)).phrase.lower()}"
    except ValueError:
        return number


def check_addresses(*, limit: int = 200, seconds: float = 20.0, timeout: float = 5.0) -> Checked:
    """Ask the addresses of active mappings, those first that were not asked for longest; remember the answers.

    The site's own hosts are those of ALLOWED_HOSTS: the one that a request names may be made up where `*` allows all.
    limit: of mappings. seconds: for all together. timeout: seconds for one.
    """
    using = database()
    chosen = list(
        ProductMapping.objects.using(using)
        .filter(active=True, not_for_elevate=False)
        .exclude(remote_registration_url="")
        .order_by(F("url_checked_at").asc(nulls_first=True), "pk")
        .values_list("pk", "remote_registration_url")[:limit]
    )
    found = addresses.check_many(
        {url for _pk, url in chosen},
        is_own=is_own_host(),
        seconds=seconds,
        timeout=timeout,
    )
    failing = 0
    now = timezone.now()
    for pk, url in chosen:
        if url not in found:
            continue
        problem = found[url]
        failing += bool(problem)
        # An address that was changed meanwhile is another one.
        rows = ProductMapping.objects.using(using).filter(pk=pk, remote_registration_url=url)
        since = Coalesce("url_failing_since", now) if problem else None
        rows.update(url_checked_at=now, url_problem=problem[:40], url_failing_since=since)
    asked = sum(url in found for _pk, url in chosen)
    logger.info(
        "Asked %s addresses of product mappings: %s do not answer.",
        asked,
        failing,
        extra=event("elevate.addresses.asked", number=asked, failing=failing),
    )
    return Checked(answering=asked - failing, failing=failing, left=len(chosen) - asked)
