"""Asks whether web addresses answer. Knows neither Django nor Elevate's JSON, and sends nothing but a plain GET.

Staff type these addresses, so a question is bounded: http and https only, certificates are checked, no cookies, no
proxies and no credentials, no body is read, few redirects are followed, and an address inside the own network is
asked only on the hosts of the site itself.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests

from elevate_integration import __version__

from .guarded import InsideError, UnknownHostError, guarded

# What can be wrong. An answer of 400 or more is "status:" and its number.
TIMEOUT = "timeout"
CERTIFICATE = "certificate"
UNREACHABLE = "unreachable"
UNKNOWN_HOST = "unknown_host"
REDIRECTS = "redirects"
INSIDE = "inside"
INVALID = "invalid"
STATUS = "status:"

_REDIRECTS = 5
_THREADS = 8
_HEADERS = {
    "User-Agent": f"django-elevate-integration/{__version__} address check",
    "Accept": "text/html,*/*",
}
_PORTS = {"http": 80, "https": 443}


def check(url: str, *, is_own: Callable[[str], bool], timeout: float = 5.0) -> str:
    """Ask one address; gives "" when it answers, else what is wrong with it, one of the words above.

    is_own: tells whether a host is one of the site's own, which may lie inside the own network.
    timeout: seconds for the connection, for each wait for data, and after which no redirect is followed any more.
    """
    ends = monotonic() + timeout
    with requests.Session() as session:
        # No netrc, no proxies: nothing of this machine goes along.
        session.trust_env = False
        adapter = guarded(is_own)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        for _hop in range(_REDIRECTS + 1):
            problem, url = _ask(session, url, timeout)
            if problem or not url:
                return problem
            if monotonic() > ends:
                return TIMEOUT
            session.cookies.clear()
    return REDIRECTS


def _ask(session: requests.Session, url: str, timeout: float) -> tuple[str, str]:
    """Give what is wrong, and where the answer leads on to."""
    address = _without_user(url)
    if address is None:
        return INVALID, ""
    try:
        # Streamed: the body is never read.
        with session.get(
            address, headers=_HEADERS, timeout=(timeout, timeout), allow_redirects=False, stream=True
        ) as answer:
            if answer.status_code >= 400:
                return f"{STATUS}{answer.status_code}", ""
            return "", urljoin(address, answer.headers["location"]) if answer.is_redirect else ""
    except InsideError:
        return INSIDE, ""
    except UnknownHostError:
        return UNKNOWN_HOST, ""
    except requests.exceptions.SSLError:
        return CERTIFICATE, ""
    except (requests.exceptions.Timeout, TimeoutError):
        return TIMEOUT, ""
    except ValueError:
        # Before the next: what requests raises for an address that is none is an OSError as well.
        return INVALID, ""
    except OSError:
        return UNREACHABLE, ""


def _without_user(url: str) -> str | None:
    """Give an address without any name and password; None for what is no web address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if not host or not port:
        return None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def check_many(
    urls: Iterable[str],
    *,
    is_own: Callable[[str], bool],
    timeout: float = 5.0,
    seconds: float = 20.0,
) -> dict[str, str]:
    """Ask several addresses side by side; gives what `check` gives, by address.

    seconds: for all together. An address that was not asked in time is left out; one whose answer is still awaited
    then is a time-out.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    left = set(urls)
    for url in sorted(left):
        waiting.put(url)
    ends = monotonic() + seconds

    def work() -> None:
        while monotonic() < ends:
            try:
                url = waiting.get_nowait()
            except queue.Empty:
                return
            answers.put((url, None))
            answers.put((url, check(url, is_own=is_own, timeout=timeout)))

    # Daemons: a server that sends a byte a second holds up neither this call nor the end of the process.
    for _number in range(min(_THREADS, len(left))):
        threading.Thread(target=work, name="elevate-address", daemon=True).start()
    found: dict[str, str] = {}
    begun: set[str] = set()
    while left:
        try:
            url, problem = answers.get(timeout=max(ends - monotonic(), 0.0))
        except queue.Empty:
            break
        if problem is None:
            begun.add(url)
        else:
            found[url] = problem
            left.discard(url)
    return {**found, **dict.fromkeys(begun & left, TIMEOUT)}
