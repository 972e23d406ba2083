"""A check for django-health-check (extra `health-check`): name `…watching.health_check.Delivery` in your view's `checks`."""

from __future__ import annotations

import dataclasses

from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable

from elevate_integration.watching.health import health
from elevate_integration.watching.standing import connection_given_back


@dataclasses.dataclass
class Delivery(HealthCheck):  # type: ignore[misc]
    """Whether registrations and cancellations go to Elevate."""

    def run(self) -> None:
        """Look. Raises ServiceUnavailable with the reasons when delivery is not well."""
        # It runs in a thread of the host's executor, which would keep the connection.
        with connection_given_back():
            found = health()
        if not found.ok:
            raise ServiceUnavailable(" ".join(str(text) for text in found.trouble))
