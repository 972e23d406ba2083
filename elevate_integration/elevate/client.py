"""Speaks HTTP with one Elevate site: what is asked, with which key, and how it ended. Knows no Django.

Sources for paths and fields: the vendor's support pages *Elevate Registration API* and *Registration API*.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from elevate_integration import __version__

from .connections import Call, Halves, current, whole
from .errors import ElevateError, NotSent, OutcomeUnknown, Refused, ReportUnreadable
from .line import Line, Received, Trust
from .network import Route
from .payloads import (
    DEFAULT_KEY_FIELDS,
    Answer,
    CancelRequest,
    RegisterRequest,
    Secret,
    normalise_url,
    read_cancel_answer,
    read_register_answer,
)
from .reports import Report, ReportRequest, read_report_answer

USER_AGENT = f"django-elevate-integration/{__version__}"


class ElevateClient:
    """One Elevate site and its key. Safe to share between threads; each call has a connection to itself meanwhile.

    url: the site's address, see `normalise_url`. register_path, cancel_path: as the vendor documents them.
    connect_timeout, read_timeout: seconds, for one connection attempt and for one wait for data.
    deadline: seconds for a whole call, after which its outcome is not sent or unknown, whatever the server does.
    trust_env: whether proxies of the environment are used. ca_bundle: path of certificates to trust instead of the
    built-in ones; checking them cannot be switched off. max_body: bytes read of an answer.
    safe_statuses, key_fields: see `read_register_answer`.
    report_path: of the Report API; a slash at its end would only be redirected, so it is dropped. report_key: where
    reports have a key of their own. report_deadline, report_max_body: seconds and bytes, for reports are slow and large.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        register_path: str = "/api/registrations",
        cancel_path: str = "/registrations/cancel",
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        deadline: float = 90.0,
        trust_env: bool = False,
        ca_bundle: str | None = None,
        safe_statuses: frozenset[int] = frozenset(),
        key_fields: frozenset[str] = DEFAULT_KEY_FIELDS,
        max_body: int = 1_000_000,
        user_agent: str = USER_AGENT,
        report_path: str = "/api/reports",
        report_key: str = "",
        report_deadline: float = 120.0,
        report_max_body: int = 50_000_000,
    ) -> None:
        self._secret = Secret(api_key)
        self._report_secret = Secret(report_key or api_key)
        del api_key, report_key  # Not among the locals of a traceback.
        base = self._base = normalise_url(url)[0]
        self._trust_env, self._ca_bundle = trust_env, ca_bundle
        self._register_url = _address(base, register_path)
        self._cancel_url = _address(base, cancel_path)
        self._report_url = _address(base, report_path.rstrip("/"))
        self._report_deadline, self._report_max_body = report_deadline, report_max_body
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._deadline = deadline
        self._max_body = max_body
        self._rules: dict[str, Any] = {
            "secret": self._secret,
            "key_fields": frozenset(key_fields),
            "safe_statuses": frozenset(safe_statuses),
        }
        self._headers = {
            "Accept": "application/json",
            # A compressed answer of a hundred bytes saves nothing, and a compressed bomb is never unpacked.
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": user_agent,
        }
        self._trust = Trust()
        self._new_line = partial(Line, base, self._trust, trust_env=trust_env, ca_bundle=ca_bundle)
        self._idle: deque[Line] = deque()
        self._lines: weakref.WeakSet[Line] = weakref.WeakSet()
        self._lock = threading.Lock()

    def register(self, request: RegisterRequest) -> Answer:
        """Register one learner for one product; raises an `ElevateError` unless it is done."""
        return whole(self.registering(request))

    def registering(self, request: RegisterRequest) -> Halves[Answer]:
        """Do what `register` does, in halves."""
        prepared = self._prepare(self._register_url, request)
        received = yield from self._exchange(prepared, "registration")
        return received.read_by(read_register_answer, self._rules)

    def cancel(self, request: CancelRequest) -> Answer:
        """Cancel one registration; raises an `ElevateError` unless it is done."""
        return whole(self.cancelling(request))

    def cancelling(self, request: CancelRequest) -> Halves[Answer]:
        """Do what `cancel` does, in halves."""
        prepared = self._prepare(self._cancel_url, request)
        received = yield from self._exchange(prepared, "cancellation")
        return received.read_by(read_cancel_answer, self._rules)

    def report(self, request: ReportRequest) -> Report:
        """Read the registrations of a stretch of time; raises `ReportUnreadable` unless every line was read."""
        prepared = self._prepare(self._report_url, request, secret=self._report_secret)
        received = whole(
            self._exchange(prepared, "report", deadline=self._report_deadline, max_body=self._report_max_body)
        )
        reader = partial(read_report_answer, names=request.names)
        rules = {"secret": self._report_secret, "key_fields": self._rules["key_fields"]}
        return received.read_by(reader, rules)

    def reach(self) -> int:
        """Ask for the site's front page, without the key; gives the HTTP status. Raises NotSent when nobody answers."""
        with requests.Session() as session:
            session.trust_env = self._trust_env
            timeout = (self._connect_timeout, self._read_timeout)
            try:
                response = session.head(
                    self._base, timeout=timeout, verify=self._ca_bundle or True, allow_redirects=False
                )
            except (requests.RequestException, OSError) as error:
                raise NotSent(f"{self._base} does not answer: {_reason(error)}.") from None
            return response.status_code

    def route(self) -> Route:
        """Tell how calls go: which authorities they trust, and through which proxy. Connects to nothing."""
        return self._new_line().route(self._base)

    def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.close()
        self._trust.forget()

    def _prepare(
        self,
        url: str,
        request: RegisterRequest | CancelRequest | ReportRequest,
        *,
        secret: Secret | None = None,
    ) -> requests.PreparedRequest:
        try:
            fields_json = json.dumps(request.fields(), allow_nan=False)
        except (TypeError, ValueError):
            fields_json = ""
        if not fields_json:
            # Outside of the handler: the context of an exception shows personal data.
            raise Refused("The request cannot be written as JSON. Check the extra fields, then retry.")
        prepared = requests.PreparedRequest()
        prepared.method = "POST"
        prepared.url = url
        prepared.body = (secret or self._secret).seal(fields_json)
        prepared.headers = CaseInsensitiveDict(self._headers)
        prepared.headers["Content-Length"] = str(len(prepared.body))
        return prepared

    def _exchange(
        self,
        prepared: requests.PreparedRequest,
        operation: str,
        *,
        deadline: float | None = None,
        max_body: int | None = None,
    ) -> Halves[Received]:
        started = monotonic()
        if deadline is None:
            deadline, read_timeout = self._deadline, self._read_timeout
        else:
            # Nothing hangs on a lease: the server may think until the deadline before it says a word.
            read_timeout = deadline
        call = current.call = Call(ends=started + deadline, read_timeout=read_timeout)
        connect_timeout = min(self._connect_timeout, deadline)
        line = self._line()
        failure = None
        try:
            received = yield from line.exchange(
                prepared, call, connect=connect_timeout, max_body=max_body or self._max_body
            )
        except Exception as error:  # noqa: BLE001 - whatever broke, what counts is whether the body was on its way
            failure = _lost(error, operation, call)
        line.used_at = monotonic()
        self._idle.append(line)
        if failure:
            # Outside of the handler: the exceptions of requests hold the request, and with it key and names.
            failure.duration = line.used_at - started
            raise failure
        return replace(received, duration=line.used_at - started)

    def _line(self) -> Line:
        """Give an idle line for one call, the last used one first, or else a new one."""
        try:
            line = self._idle.pop()
        except IndexError:
            line = self._new_line()
            with self._lock:
                self._lines.add(line)
        line.drop_if_stale()
        return line


def _address(base: str, path: str) -> str:
    url = None
    if base.startswith(("http://", "https://")):
        with suppress(requests.RequestException):
            url = requests.Request("POST", f"{base}/{path.lstrip('/')}").prepare().url
    if not url:
        raise ValueError("The Elevate address is no http(s) address: write https:// and the site's domain.")
    return url


def _lost(error: Exception, operation: str, call: Call) -> ElevateError:
    """Judge a call without an answer by the one thing that is certain: whether its body was started."""
    reason = _reason(error)
    name = operation.capitalize()
    if operation == "report":
        return ReportUnreadable(
            f"Report not read: {reason}. Ask again later; if this goes on, check the Elevate address, the network and the"
            " certificates.",
            trouble="not_reached",
        )
    if not call.body_started:
        return NotSent(
            f"{name} not sent: {reason}. It will be tried again; if this goes on, check the Elevate address, the"
            " network and the certificates."
        )
    return OutcomeUnknown(
        f"{name} sent, answer lost: {reason}. Elevate may have acted: look there before you repeat it by hand."
    )


def _reason(error: BaseException) -> str:
    """Name the innermost exception. Only the operating system's text is kept: others may quote request or answer."""
    chain = [error]
    while len(chain) < 10 and (inner := _inner(chain[-1])) and inner not in chain:
        chain.append(inner)
    system = next((item for item in reversed(chain) if isinstance(item, OSError) and item.strerror), None)
    cause = system or chain[-1]
    text = getattr(cause, "verify_message", "") or getattr(cause, "strerror", "")
    return f"{type(cause).__name__} ({text})" if text else type(cause).__name__


def _inner(error: BaseException) -> BaseException | None:
    candidates = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
    return next((item for item in candidates if isinstance(item, BaseException)), None)
