"""The way to the Elevate site: its name, connection, certificate, front page. The key stays here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from elevate_integration.conf import conf
from elevate_integration.delivery.sender import make_client
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding
from elevate_integration.elevate import network
from elevate_integration.elevate.errors import ElevateError

# Days before a certificate ends.
SOON, VERY_SOON = 30, 7
_CHECKED = (
    "A connection was opened and the certificate checked by {authorities}, as calls do; nothing was sent."
)
_TELL_VENDOR = (
    "Tell whoever runs the Elevate site. Certificates are always checked, so no call goes out until then."
)

_PROBLEMS = {
    network.EXPIRED: (
        "The site's certificate has expired.",
        "Check the clock of this machine first. " + _TELL_VENDOR,
    ),
    network.NOT_YET_VALID: (
        "The site's certificate is not valid yet.",
        "Check the clock of this machine first. " + _TELL_VENDOR,
    ),
    network.SELF_SIGNED: (
        "The site's certificate is signed by nobody but itself.",
        "Check that the address is Elevate's own. For a test site, name the certificate in ELEVATE['CA_BUNDLE'].",
    ),
    network.UNTRUSTED: (
        "Nobody who is trusted here has signed the site's certificate, or the site leaves out certificates between.",
        "Behind a proxy that opens TLS, name its authority in ELEVATE['CA_BUNDLE']; else tell whoever runs the site.",
    ),
    network.WRONG_NAME: (
        "The site's certificate is for another name.",
        "Correct ELEVATE['URL']: write the name that the certificate is for.",
    ),
    network.CERTIFICATE: ("The site's certificate cannot be accepted.", _TELL_VENDOR),
    network.NO_TLS: (
        "The site does not speak TLS as it should.",
        "Check host and port in ELEVATE['URL'], and whether a firewall stands between.",
    ),
}


def reach() -> Finding:
    """Ask for the site's front page, certificates checked, without the key."""
    how = "The front page was asked for with HEAD. The key was not sent."
    try:
        status = make_client().reach()
    except (ElevateError, ValueError) as error:
        mend = "Correct ELEVATE['URL'], or mend the network."
        return Finding(ERROR, "site.answer", str(error), how, mend)
    # 501: the server is well and does not know HEAD.
    if status >= 500 and status != 501:
        text = f"{conf().url} answers with an error (HTTP {status})."
        mend = "Wait, then look again; if it goes on, tell whoever runs the site."
        return Finding(WARNING, "site.answer", text, how, mend, {"status": status})
    text = f"{conf().url} answers (HTTP {status})."
    return Finding(OK, "site.answer", text, how, data={"status": status})


def look_at_site() -> Iterator[Finding]:
    """Follow the way as far as it goes."""
    try:
        route = make_client().route()
        seen = network.look(route, timeout=min(conf().connect_timeout, 10.0))
    except (OSError, ValueError) as error:
        mend = "Correct ELEVATE['URL'] and ELEVATE['CA_BUNDLE']."
        yield Finding(ERROR, "site.address", str(error), "The settings were read.", mend)
        return
    yield from _proxy(route, seen)
    if seen.problem in (network.PROXY, network.PROXY_KIND):
        return
    yield from _name(seen)
    yield from _connection(seen)
    if seen.problem in (network.UNKNOWN_NAME, network.UNREACHABLE):
        return
    yield from _certificate(route, seen)
    if not seen.problem:
        yield reach()


def _proxy(route: network.Route, seen: network.Look) -> Iterator[Finding]:
    if not route.proxy:
        return
    how = "TRUST_ENV is on, and the environment names a proxy for this address."
    if seen.problem == network.PROXY_KIND:
        text = f"Calls go through {route.proxy_name}, a kind of proxy that cannot be looked through."
        yield Finding(WARNING, "site.proxy", text, how, "Look from there, or name an http proxy.")
    elif seen.problem == network.PROXY:
        text = f"The proxy {route.proxy_name} lets nothing through: {seen.detail}."
        yield Finding(ERROR, "site.proxy", text, how, "Mend the proxy, or set ELEVATE['TRUST_ENV'] to False.")
    else:
        text = f"Calls go through {route.proxy_name}, which looks the name up and connects."
        yield Finding(OK, "site.proxy", text, how)


def _name(seen: network.Look) -> Iterator[Finding]:
    how = "This machine's resolver was asked."
    if seen.problem == network.UNKNOWN_NAME:
        text = f"The name {seen.host} is not known: {seen.detail}."
        mend = "Correct the name in ELEVATE['URL'], or mend this machine's name look-up (DNS)."
        yield Finding(ERROR, "site.name", text, how, mend)
    elif seen.addresses:
        text = f"{seen.host} has the address {', '.join(seen.addresses)}."
        yield Finding(OK, "site.name", text, how, data={"addresses": list(seen.addresses)})


def _connection(seen: network.Look) -> Iterator[Finding]:
    how = f"Port {seen.port} of each address was connected to."
    if seen.problem == network.UNREACHABLE:
        text = f"{seen.host}, port {seen.port}, takes no connection: {seen.detail}."
        mend = "Open the way out in the firewall, or correct ELEVATE['URL']."
        yield Finding(ERROR, "site.connection", text, how, mend)
    elif seen.silent:
        text = f"{', '.join(seen.answered)} takes connections, {', '.join(seen.silent)} does not."
        mend = "Calls that try the silent address first take longer. Open the way to it (IPv6?)."
        yield Finding(WARNING, "site.connection", text, how, mend)
    elif seen.answered:
        yield Finding(OK, "site.connection", f"Port {seen.port} takes connections.", how)


def _certificate(route: network.Route, seen: network.Look) -> Iterator[Finding]:
    how = _CHECKED.format(authorities=route.authorities)
    if urlsplit(route.url).scheme == "http":
        text = "The address begins with http://, so nothing is encrypted and no certificate is there."
        mend = "Good for tests on this machine only. Write https:// in ELEVATE['URL'] for a real site."
        yield Finding(OK, "site.certificate", text, "Read from ELEVATE['URL'].", mend)
        return
    if seen.problem:
        text, mend = _PROBLEMS[seen.problem]
        yield Finding(ERROR, "site.certificate", f"{text} ({seen.detail})", how, mend)
        return
    text = (
        f"The certificate is good: issued by {seen.issuer or 'an authority without a name'}, {seen.protocol}."
    )
    data = {"issuer": seen.issuer, "names": list(seen.names[:10]), "protocol": seen.protocol}
    yield Finding(OK, "site.certificate", text, how, data=data)
    if seen.expires is not None:
        yield _expiry(seen.expires)


def _expiry(expires: datetime) -> Finding:
    days = (expires - datetime.now(UTC)).days
    level = ERROR if days < VERY_SOON else WARNING if days < SOON else OK
    return Finding(
        level,
        "site.certificate_expiry",
        f"The certificate ends in {days} days, on {expires:%Y-%m-%d}.",
        "Read from the certificate.",
        ""
        if level == OK
        else "Ask whoever runs the Elevate site to renew it; nothing is registered without.",
        {"days": days, "expires": expires.isoformat()},
    )
