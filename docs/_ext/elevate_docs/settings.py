"""The settings, from `conf.KEYS`."""

from __future__ import annotations

import json
import re
from typing import Any

from elevate_docs.tables import table
from elevate_integration.conf import KEYS
from elevate_integration.elevate.reports import ReportFields

# What a reader looks for together. A key that is named nowhere here would be lost: `text` refuses that.
GROUPS: dict[str, tuple[str, ...]] = {
    "The site and its key": ("URL", "API_KEY", "API_KEY_FILE"),
    "The store": ("ORDER_SOURCE", "ORDER_FIELDS", "OSCAR", "GO_LIVE", "REMOTE_USER_ID", "QUIET_TIME"),
    "What is sent": (
        "SEND_EMAIL",
        "SEND_AMOUNTS",
        "NAME_PLACEHOLDER",
        "PAYLOAD",
        "CANCELLATIONS_EMAIL",
        "CANCELLATION_EXPLANATION",
        "CANCELLATION_EXPLANATION_FOR_USER",
        "NOTIFY_CANCELLED_USER",
    ),
    "The call": (
        "REGISTER_PATH",
        "CANCEL_PATH",
        "CONNECT_TIMEOUT",
        "READ_TIMEOUT",
        "CALL_DEADLINE",
        "TRUST_ENV",
        "CA_BUNDLE",
        "SAFE_STATUSES",
        "KEY_FIELDS",
    ),
    "Delivery": (
        "DISPATCHER",
        "THREADS",
        "CALLS_PER_SECOND",
        "KEEP_PLANS",
        "LEASE",
        "RETRY_FIRST",
        "RETRY_CEILING",
        "UNCONFIRMED",
    ),
    "Brakes": (
        "CANCELS_PER_HOUR",
        "NEW_PER_SWEEP",
        "CANCEL_GRACE",
        "UNREACHABLE_AFTER",
        "PROBE_INTERVAL",
        "KEY_SUSPECT_AFTER",
    ),
    "The report": ("REPORT_PATH", "REPORT_KEY", "REPORT_FIELDS", "REPORT_PAUSE"),
    "Watching": ("WATCH", "MONITOR_TOKEN", "LOG_ERROR_TEXTS"),
    "The sweep": ("SWEEP_INTERVAL", "SWEEP_OVERLAP", "SWEEP_BATCH"),
}
REST = "Everything else"


def shown(default: Any) -> str:
    """Write a default as a settings file would."""
    if isinstance(default, ReportFields):
        default = {}
    if isinstance(default, frozenset):
        default = sorted(default)
    if isinstance(default, str | list):
        return json.dumps(default)
    return f"{default:g}" if isinstance(default, float) else repr(default)


def grouped() -> dict[str, tuple[str, ...]]:
    """Give all keys by their groups. Raises KeyError for a group that names a key which is gone."""
    placed = {key for keys in GROUPS.values() for key in keys}
    if gone := placed - KEYS.keys():
        raise KeyError(f"no such settings any more: {sorted(gone)}")
    return {**GROUPS, REST: tuple(key for key in KEYS if key not in placed)}


def _meaning(key: str) -> str:
    """Give the help of a setting; a page that it names becomes a link to it."""
    return re.sub(r"`docs/([\w-]+)\.md`", r"[\1](/\1.md)", KEYS[key].metadata["help"])


def text() -> str:
    """Write the reference of settings, a table for each group."""
    parts = []
    for heading, keys in grouped().items():
        rows = [(f"`{key}`", f"`{shown(KEYS[key].default)}`", _meaning(key)) for key in keys]
        parts.append(f"## {heading}\n\n{table(('Key', 'Default', 'Meaning'), rows)}")
    return "\n".join(parts)
