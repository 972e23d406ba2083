"""Pages for machines: is this process alive, can it work, is delivery well, and the metrics. Plain Django, without DRF.

`live` and `ready` are open to everybody and tell yes or no. The others need `MONITOR_TOKEN`, or a log-in with the
permission that the admin's page of delivery asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from importlib.util import find_spec

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from elevate_integration.conf import conf
from elevate_integration.watching.health import health, is_ready

# Any of them is enough, as for the admin's page and the REST API.
NEEDS = ("view_deliverystate", "pause_delivery")

View = Callable[[HttpRequest], HttpResponse]


def _for_monitors(view: View) -> View:
    """Let those pass who send the token or may look at delivery; 401 for strangers, 403 for others."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        user = getattr(request, "user", None)
        if _has_token(request) or (
            user is not None and any(user.has_perm(f"elevate_integration.{name}") for name in NEEDS)
        ):
            return view(request)
        if user is not None and user.is_authenticated:
            return HttpResponse(status=403)
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Bearer realm="monitor"'})

    return answer


def _has_token(request: HttpRequest) -> bool:
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    token = conf().monitor_token
    return bool(token) and scheme.lower() == "bearer" and constant_time_compare(sent.strip(), token)


@transaction.non_atomic_requests
@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Tell that the process answers, without asking the database. Open to everybody."""
    return JsonResponse({"ok": True})


@transaction.non_atomic_requests
@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Tell whether the process can work: 200 or 503. Open to everybody; the log says why not."""
    ok = is_ready()
    return JsonResponse({"ok": ok}, status=200 if ok else 503)


@transaction.non_atomic_requests
@never_cache
@require_safe
@_for_monitors
def delivery(request: HttpRequest) -> HttpResponse:
    """Tell whether delivery is well, and why not: 200 or 503 with the same answer. Not for load balancers."""
    found = health()
    return JsonResponse(asdict(found), status=200 if found.ok else 503)


@transaction.non_atomic_requests
@never_cache
@require_safe
@_for_monitors
def metrics(request: HttpRequest) -> HttpResponse:
    """Show the metrics to Prometheus; 404 where WATCH does not name it."""
    if "prometheus" not in conf().watch or find_spec("prometheus_client") is None:
        raise Http404
    from elevate_integration.watching import prometheus

    return HttpResponse(prometheus.exposition(), content_type=prometheus.CONTENT_TYPE)
