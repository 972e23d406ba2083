"""An Oscar shop as its documentation sets one up, with this package added. `TEST_DATABASE_URL` as for the other tests."""

from __future__ import annotations

import os
import tempfile

import environ
from oscar import INSTALLED_APPS as _OSCAR_APPS
from oscar.defaults import *  # noqa: F403

SECRET_KEY = "x" * 50
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
TIME_ZONE = "Europe/London"
ROOT_URLCONF = "tests.hosts.oscar.urls"
STATIC_URL = "/static/"
MEDIA_ROOT = tempfile.gettempdir()
SITE_ID = 1
# Oscar's own migrations are written for it.
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]

_FORKED = {"oscar.apps.checkout.apps.CheckoutConfig": "tests.hosts.oscar.checkout.apps.CheckoutConfig"}
INSTALLED_APPS = [
    *(_FORKED.get(app, app) for app in _OSCAR_APPS),
    "sorl.thumbnail",
    "elevate_integration",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    "oscar.apps.basket.middleware.BasketMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.apps.communication.notifications.context_processors.notifications",
                "oscar.core.context_processors.metadata",
            ],
        },
    }
]

OSCAR_ALLOW_ANON_CHECKOUT = True
OSCAR_INITIAL_ORDER_STATUS = "Pending"
OSCAR_INITIAL_LINE_STATUS = "Pending"
OSCAR_ORDER_STATUS_PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Complete", "Cancelled"),
    "Complete": ("Cancelled",),
    "Cancelled": (),
}
OSCAR_LINE_STATUS_PIPELINE = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Cancelled",),
    "Cancelled": (),
}
OSCAR_ORDER_STATUS_CASCADE = {"Being processed": "Being processed", "Cancelled": "Cancelled"}

_url = os.environ.get("TEST_DATABASE_URL", "")
if _url:
    DATABASES = {"default": environ.Env.db_url_config(_url)}
else:
    _file = os.path.join(tempfile.gettempdir(), f"elevate-oscar-{os.getpid()}.sqlite3")
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": _file,
            "TEST": {"NAME": _file},
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        }
    }
DATABASES["default"]["ATOMIC_REQUESTS"] = False

ELEVATE = {
    "URL": "http://127.0.0.1:1",
    "API_KEY": "test-key",
    "GO_LIVE": "2025-01-01",
    "ORDER_SOURCE": "elevate_integration.orders.oscar.OscarSource",
    "DISPATCHER": "worker",
    "CANCEL_GRACE": 0.0,
    "QUIET_TIME": 0.0,
    "OSCAR": {"PAID_STATUSES": ["Being processed", "Complete"]},
}
