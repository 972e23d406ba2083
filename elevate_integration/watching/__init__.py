"""Watching over years: measurements for Prometheus, spans for OpenTelemetry, health for monitors. See `docs/watching.md`.

Each needs its extra, and is imported only where WATCH names it.
"""

from __future__ import annotations

from importlib.util import find_spec

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from elevate_integration.conf import conf
from elevate_integration.observing import set_observers

# What WATCH may name: the observer, the module that it needs, and the extra that brings it.
OBSERVERS = {
    "prometheus": (f"{__name__}.prometheus.PrometheusObserver", "prometheus_client"),
    "opentelemetry": (f"{__name__}.spans.SpanObserver", "opentelemetry"),
}


def not_installed(names: frozenset[str]) -> list[str]:
    """Give those that cannot be used because their extra is not installed. An extra has the observer's name."""
    return sorted(name for name in names if find_spec(OBSERVERS[name][1]) is None)


def start() -> None:
    """Let those observe whom WATCH names. Raises ImproperlyConfigured when an extra is not installed; others observe."""
    wanted = conf().watch
    missing = not_installed(wanted)
    set_observers(*(import_string(OBSERVERS[name][0])() for name in sorted(wanted) if name not in missing))
    if missing:
        raise ImproperlyConfigured(missing_text(missing))


def missing_text(missing: list[str]) -> str:
    """Say which extras are not installed."""
    return f"ELEVATE['WATCH'] names {' and '.join(missing)}, which is not installed, so nothing is measured by it."
