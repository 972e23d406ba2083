"""Spans, as the SDK's own exporter in memory sees them: names, attributes, nesting, failures without texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from elevate_integration import observing, watching
from elevate_integration.models import Registration
from elevate_integration.watching.spans import ATTRIBUTES, SpanObserver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    # A process has one provider for good, and the first one set stays.
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter, settings: Any) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    settings.ELEVATE = {**settings.ELEVATE, "WATCH": ["opentelemetry"]}
    watching.start()
    yield exporter
    exporter.clear()


def named(spans: InMemorySpanExporter, name: str) -> list[Any]:
    return [span for span in spans.get_finished_spans() if span.name == f"elevate.{name}"]


def test_a_sale_leaves_a_span_for_each_step(spans, sell, deliver, elevate):
    invoice = sell("ETHICS")
    deliver()
    row = Registration.objects.get()
    (call,) = named(spans, "call")
    assert dict(call.attributes) == {
        "elevate.registration": row.pk,
        "elevate.order_ref": str(invoice.pk),
        "elevate.operation": "register",
        "elevate.outcome": "done",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
    }
    assert (call.kind, call.status.status_code, call.parent) == (SpanKind.CLIENT, StatusCode.UNSET, None)
    assert named(spans, "capture")[0].attributes["elevate.order_ref"] == str(invoice.pk)
    sync = next(span for span in named(spans, "sync") if span.attributes["elevate.result"] == "written")
    assert sync.attributes["elevate.trigger"] == "mark"
    assert call.instrumentation_scope.name == "elevate_integration"


@pytest.mark.parametrize(
    ("fault", "outcome", "status_code"),
    [("refuse", "refused", 422), ("reset_after_storing", "unknown", None)],
)
def test_a_call_that_fails_is_an_error_without_elevates_words(
    spans, sell, deliver, elevate, settings, fault, outcome, status_code
):
    settings.ELEVATE = {**settings.ELEVATE, "UNCONFIRMED": "hold"}
    elevate.fail(fault)
    sell("ETHICS")
    deliver()
    (call,) = named(spans, "call")
    assert call.status.status_code is StatusCode.ERROR
    assert (call.attributes["elevate.outcome"], call.attributes["error.type"]) == (outcome, outcome)
    assert ("http.response.status_code" in call.attributes) == (status_code is not None)
    assert (call.status.description, call.events) == (None, ())


def test_a_claim_tells_how_many_it_took(spans, sell, deliver, elevate):
    elevate.fail("status", status=429)
    sell("ETHICS")
    deliver()
    assert 1 in [span.attributes["elevate.claimed"] for span in named(spans, "claim")]


def test_what_raises_is_an_error_by_its_class_and_without_its_text(spans):
    with pytest.raises(LookupError), observing.step("capture", order_ref="7"):
        raise LookupError("ada@example.org")
    (span,) = named(spans, "capture")
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "LookupError")
    assert "ada@" not in span.to_json()


def test_what_a_step_does_lies_inside_its_span_and_what_follows_does_not(spans):
    tracer = trace.get_tracer("host")
    with observing.step("capture", order_ref="7"):
        tracer.start_span("inside").end()
    tracer.start_span("after").end()
    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert by_name["inside"].parent.span_id == by_name["elevate.capture"].context.span_id
    assert by_name["after"].parent is None


def test_the_hosts_span_is_the_parent_of_what_its_request_captures(spans, sell):
    with trace.get_tracer("host").start_as_current_span("POST /checkout") as request:
        sell("ETHICS")
    assert {span.parent.span_id for span in named(spans, "capture")} == {request.get_span_context().span_id}


def test_a_new_status_makes_no_span(spans):
    SpanObserver().happened("status", {"status": "registered"})
    assert spans.get_finished_spans() == ()


def test_attributes_have_names_of_ours_or_of_the_conventions():
    assert {name for name in ATTRIBUTES.values() if not name.startswith("elevate.")} == {
        "http.response.status_code"
    }
