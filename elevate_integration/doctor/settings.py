"""The settings, by the package's own system checks, so that `manage.py check` and the doctor say the same."""

from __future__ import annotations

from collections.abc import Iterator

from django.core import checks
from django.core.checks.registry import registry

from elevate_integration.conf import conf
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding

_OURS = "elevate_integration.checks"
# Told among the findings about members.
CHANGING_ID = "elevate.W005"


def own_messages(*, databases: list[str] | None = None) -> list[checks.CheckMessage]:
    """Run the package's own system checks alone: a host's check that raises is not our finding."""
    wanted = [
        check
        for check in registry.get_checks()
        if check.__module__ == _OURS and (checks.Tags.database in check.tags) == bool(databases)
    ]
    return [message for check in wanted for message in check(app_configs=None, databases=databases)]


def as_finding(message: checks.CheckMessage, code: str = "") -> Finding:
    """Turn a check's message into a finding. One that the host has silenced is told, and is no warning."""
    level = ERROR if message.level >= checks.ERROR else WARNING
    silenced = message.is_silenced()
    return Finding(
        OK if silenced else level,
        code or str(message.id),
        f"{message.msg}{' (silenced)' if silenced else ''}",
        f"System check {message.id} read the settings.",
        message.hint or "",
    )


def look_at_settings() -> Iterator[Finding]:
    """Tell each wrong setting, by the ID of its check."""
    found = [message for message in own_messages() if message.id != CHANGING_ID]
    yield from (as_finding(message) for message in found)
    if not found:
        text = f"The settings are in order. Elevate is {conf().url}."
        yield Finding(OK, "elevate.settings", text, "The system checks of this package passed.")
