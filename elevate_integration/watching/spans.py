"""Spans for OpenTelemetry, through its API alone (extra `opentelemetry`): whether and where they go is the host's SDK.

A span has an order's reference and primary keys, never a name, an address, an error's text or what was sent.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from elevate_integration import __version__
from elevate_integration.conf import conf
from elevate_integration.observing import End

# What a step's keys are called on its span.
ATTRIBUTES = {
    "order_ref": "elevate.order_ref",
    "registration": "elevate.registration",
    "operation": "elevate.operation",
    "trigger": "elevate.trigger",
    "outcome": "elevate.outcome",
    "result": "elevate.result",
    "claimed": "elevate.claimed",
    "status_code": "http.response.status_code",
}
# Ways to end that are failures, although nothing was raised.
_FAILURES = frozenset({"refused", "not_sent", "unknown", "failed"})


class SpanObserver:
    """Makes a span of each step: `elevate.capture`, `elevate.sync`, `elevate.claim`, `elevate.call`."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("elevate_integration", __version__)

    def begin(self, step: str, keys: dict[str, Any]) -> End | None:
        """Open a span, in which whatever the step does lies."""
        attributes = _attributes(keys)
        if step == "call":
            attributes["server.address"] = urlsplit(conf().url).hostname or ""
        kind = SpanKind.CLIENT if step == "call" else SpanKind.INTERNAL
        span = self._tracer.start_span(f"elevate.{step}", kind=kind, attributes=attributes)
        token = context.attach(trace.set_span_in_context(span))

        def end(ended: dict[str, Any], error: str) -> None:
            context.detach(token)
            span.set_attributes(_attributes(ended))
            failure = error or next(
                (str(ended[k]) for k in ("outcome", "result") if ended.get(k) in _FAILURES), ""
            )
            if failure:
                # Not `record_exception`: the text of an error may hold personal data.
                span.set_attribute("error.type", failure)
                span.set_status(Status(StatusCode.ERROR))
            span.end()

        return end

    def happened(self, what: str, keys: dict[str, Any]) -> None:
        """Add nothing: a new status is no span."""


def _attributes(keys: dict[str, Any]) -> dict[str, Any]:
    return {ATTRIBUTES[key]: value for key, value in keys.items() if key in ATTRIBUTES and value is not None}
