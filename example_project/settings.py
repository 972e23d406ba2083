"""Settings of the example project. Everything has a default, so that it starts without a `.env` file.

`DATABASE_URL` chooses SQLite (default), PostgreSQL (`postgres://…`) or MySQL and MariaDB (`mysql://…`).
"""

from __future__ import annotations

from pathlib import Path

import environ

from elevate_integration.api.document import SETTINGS as API_DOCUMENT

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")

# A demonstration on your own machine. A real site sets DEBUG=off, SECRET_KEY and ALLOWED_HOSTS.
DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env("SECRET_KEY", default="demo-only-not-a-secret")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
# The log-in page lists the invented members and their password.
DEMO = env.bool("DEMO", default=True)
SITE_URL = env("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")

# A site under https:// says so to browsers, for a year, and is reached by nothing else.
HTTPS = SITE_URL.startswith("https://")
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if env.bool("BEHIND_PROXY", default=False):
    # Only where a proxy sets this header itself: else any browser could.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # Mappings as files: an extra, and the list of mappings has no such buttons without it.
    "import_export",
    "elevate_integration",
    "example_project.members",
    "example_project.store",
    "example_project.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "example_project" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example_project.store.context.site",
            ]
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'demo.sqlite3'}")}
DATABASES["default"]["ATOMIC_REQUESTS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Shop and delivery write at the same time: wait for the lock instead of failing.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.mysql":
    DATABASES["default"]["OPTIONS"] = {"charset": "utf8mb4"}
    # Partial indexes become plain ones there, which works.
    SILENCED_SYSTEM_CHECKS = ["models.W037"]

AUTH_USER_MODEL = "members.Member"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "members:login"
LOGIN_REDIRECT_URL = "elevate_integration:courses"
LOGOUT_REDIRECT_URL = "store:catalogue"

LANGUAGE_CODE = env("LANGUAGE_CODE", default="en-us")
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env("STATIC_ROOT", default=str(BASE_DIR / "build" / "static"))
STATICFILES_DIRS = [BASE_DIR / "example_project" / "static"]

ELEVATE = {
    "URL": env("ELEVATE_URL", default="http://127.0.0.1:8001"),
    "API_KEY": env("ELEVATE_API_KEY", default="demo-key"),
    "ORDER_SOURCE": "example_project.store.elevate.StoreOrderSource",
    "GO_LIVE": env("ELEVATE_GO_LIVE", default="2025-01-01"),
    "REMOTE_USER_ID": "member_number",
    "DISPATCHER": env("ELEVATE_DISPATCHER", default="thread"),
    "CANCELLATIONS_EMAIL": env("ELEVATE_CANCELLATIONS_EMAIL", default="office@example.org"),
    "CANCELLATION_EXPLANATION_FOR_USER": "Your order was refunded, so your access to the course has ended.",
}

REST_FRAMEWORK = {
    # The first one answers who is not known: 401, and how to log in.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.BasicAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
}
# The document is shown at /api/docs/ without any other server: the page's files come with the sidecar.
SPECTACULAR_SETTINGS = {
    **API_DOCUMENT,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "elevate_integration": {"handlers": ["console"], "level": env("LOG_LEVEL", default="WARNING")}
    },
}
