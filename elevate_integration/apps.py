"""App set-up: connects the host's signals and starts the chosen dispatcher. Must not query."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from elevate_integration.events import event, get_logger

logger = get_logger(__name__)


class ElevateIntegrationConfig(AppConfig):
    """The app as Django sees it."""

    name = "elevate_integration"
    verbose_name = _("Elevate")
    # Ours, not the host's DEFAULT_AUTO_FIELD: else `makemigrations` would write into this package.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect everything that listens. A host with a broken ELEVATE still starts, and a check says what is wrong."""
        from elevate_integration import checks, receivers, watching
        from elevate_integration.delivery import dispatchers

        checks.register()
        try:
            receivers.connect()
            dispatchers.start()
            watching.start()
        except ImproperlyConfigured as error:
            logger.critical(
                "The settings of Elevate must be mended: %s",
                error,
                extra=event("elevate.settings.unusable"),
            )
