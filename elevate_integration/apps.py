"""App set-up: connects the host's signals and starts the chosen dispatcher. Must not query."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ElevateIntegrationConfig(AppConfig):
    """The app as Django sees it."""

    name = "elevate_integration"
    verbose_name = _("Elevate")
    # Ours, not the host's DEFAULT_AUTO_FIELD: else `makemigrations` would write into this package.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect everything that listens. A host whose source cannot be imported still starts; a check says so."""
        from elevate_integration import checks, receivers
        from elevate_integration.delivery import dispatchers

        checks.register()
        receivers.connect()
        dispatchers.start()
