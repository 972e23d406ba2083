"""What turns the pages of `docs/` into a site: the reference from the code, the navigation from the list of pages.

Only this module and `pages` know Sphinx; what the others give is MyST text, so that tests look at it without Sphinx.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from elevate_docs import api, checks, commands, faults, floors, models, settings, signals, source, statuses

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PARTS: dict[str, Callable[[], str]] = {
    "settings": settings.text,
    "commands": commands.text,
    "checks": checks.text,
    "api": api.text,
    "signals": signals.text,
    "statuses": statuses.text,
    "situations": statuses.situations,
    "problems": statuses.problems,
    "order-source": source.text,
    "faults": faults.text,
    "floors": floors.text,
    "tables": models.text,
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive `elevate`, whose argument names one of `PARTS`, and the pages from outside `docs/`."""
    from elevate_docs import pages

    app.add_directive("elevate", pages.directive(PARTS))
    app.connect("source-read", pages.read)
    app.connect("build-finished", pages.refuse_what_is_elsewhere)
    return {"parallel_read_safe": True, "version": "1"}
