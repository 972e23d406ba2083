"""Settings of a Tendenci site for the tests, written by hand as a new site's are, with this package installed.

`TENDENCI_DATABASE_URL` names the database. `TENDENCI_WITHOUT_ELEVATE` leaves this package out: the database that
all test databases are copied from holds nothing but Tendenci.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(
    os.environ.setdefault(
        "TENDENCI_PROJECT_ROOT", os.path.join(tempfile.gettempdir(), f"tendenci-site-{os.getuid()}")
    )
)
for _folder in ("addons", "media", "static", "themes/local"):
    (ROOT / _folder).mkdir(parents=True, exist_ok=True)
# Without a theme of its own the site refuses to start.
(ROOT / "themes/local/theme.info").write_text("[General]\nname = local\nextends = juniper\n")

from tendenci.settings import *  # noqa: E402, F403
from tendenci.settings import DATABASES, INSTALLED_APPS  # noqa: E402

SECRET_KEY = "x" * 50
SITE_SETTINGS_KEY = "y" * 32
DEBUG = False
# Tells of an old GDAL on this machine.
SILENCED_SYSTEM_CHECKS = ["gis.W001"]
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
_url = urlsplit(os.environ.get("TENDENCI_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/tendenci"))
DATABASES["default"].update(
    HOST=_url.hostname,
    PORT=_url.port or 5432,
    NAME=_url.path[1:],
    USER=_url.username,
    PASSWORD=_url.password or "",
    # A test database need not survive a power cut.
    OPTIONS={"options": "-c synchronous_commit=off"},
)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
LOGGING = {"version": 1, "disable_existing_loggers": False}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HAYSTACK_CONNECTIONS = {
    "default": {
        "ENGINE": "haystack.backends.simple_backend.SimpleEngine",
    }
}
HAYSTACK_SIGNAL_PROCESSOR = "haystack.signals.BaseSignalProcessor"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

if not os.environ.get("TENDENCI_WITHOUT_ELEVATE"):
    INSTALLED_APPS = [*INSTALLED_APPS, "elevate_integration"]
    ROOT_URLCONF = "tests.hosts.tendenci.urls"
    ELEVATE = {
        "URL": "http://127.0.0.1:1",
        "API_KEY": "test-key",
        "ORDER_SOURCE": "elevate_integration.orders.tendenci.TendenciSource",
        "GO_LIVE": "2020-01-01",
        "DISPATCHER": "worker",
        "CANCEL_GRACE": 0.0,
        "QUIET_TIME": 0.0,
    }
