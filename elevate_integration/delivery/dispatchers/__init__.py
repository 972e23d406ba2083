"""Who wakes delivery after a commit: a thread of the web process, a worker of its own, or the caller itself.

`ELEVATE["DISPATCHER"]` names one of the short names or the path of a `Dispatcher` subclass. Only the chosen one is
imported.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from elevate_integration.conf import conf
from elevate_integration.delivery.dispatchers.base import Dispatcher
from elevate_integration.wake import set_wake

__all__ = ["BUILT_IN", "Dispatcher", "make", "start"]

BUILT_IN = {
    "thread": f"{__name__}.thread.ThreadDispatcher",
    "worker": f"{__name__}.worker.WorkerDispatcher",
    "inline": f"{__name__}.inline.InlineDispatcher",
    "celery": f"{__name__}.celery.CeleryDispatcher",
    "django_tasks": f"{__name__}.django_tasks.DjangoTasksDispatcher",
}
_current: Dispatcher | None = None


def make(name: str) -> Dispatcher:
    """Give the dispatcher of that name or path. Raises ImproperlyConfigured when there is none."""
    try:
        made = import_string(BUILT_IN.get(name, name))()
    except ImportError as error:
        known = ", ".join(sorted(BUILT_IN))
        raise ImproperlyConfigured(
            f"ELEVATE['DISPATCHER'] {name!r} cannot be imported. Use {known} or the path of a Dispatcher class."
        ) from error
    if not isinstance(made, Dispatcher):
        raise ImproperlyConfigured(f"ELEVATE['DISPATCHER'] {name!r} is not a Dispatcher.")
    return made


def start() -> None:
    """Start the dispatcher of the settings in place of the one before."""
    global _current
    if _current is not None:
        _current.stop()
    _current = make(conf().dispatcher)
    _current.start()
    set_wake(_current.wake)
