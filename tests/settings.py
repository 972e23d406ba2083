"""Settings of the test-suite: the example project, delivering only when a test says so.

`TEST_DATABASE_URL` chooses another database than an SQLite file in the temporary folder.
"""

from __future__ import annotations

import os
import tempfile

import environ

from example_project.settings import *  # noqa: F403
from example_project.settings import ELEVATE as _ELEVATE
from example_project.settings import INSTALLED_APPS as _INSTALLED_APPS

_url = os.environ.get("TEST_DATABASE_URL", "")
if _url:
    DATABASES = {"default": environ.Env.db_url_config(_url)}
    if "mysql" in DATABASES["default"]["ENGINE"]:
        DATABASES["default"]["OPTIONS"] = {"charset": "utf8mb4"}
        DATABASES["default"]["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"}
else:
    _file = os.path.join(tempfile.gettempdir(), f"elevate-tests-{os.getpid()}.sqlite3")
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": _file,
            # A file, not memory: threads and processes of the tests share it as a real site would.
            "TEST": {"NAME": _file},
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }

INSTALLED_APPS = [*_INSTALLED_APPS, "tests.plainshop"]
ROOT_URLCONF = "example_project.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Django 6.1 and newer look here, and warn where nothing is set; older ones do not read it.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ELEVATE = {**_ELEVATE, "API_KEY": "test-key", "DISPATCHER": "worker", "CANCEL_GRACE": 0.0, "QUIET_TIME": 0.0}
