"""Every address of the package, collected from the URLconf: nothing is listed by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

URLCONF = "tests.security.urls"
OUR_PAGES = "admin/elevate_integration/"


@dataclass(frozen=True)
class Place:
    """One address. name: with its namespace, and the route where Django gives none. route: as the URLconf has it."""

    name: str
    route: str
    callback: Any


def places() -> list[Place]:
    """Give every address that leads to code of this package, or to a page of its models in the admin."""
    return [place for place in _walk(get_resolver(URLCONF), "", ()) if _is_ours(place)]


def _walk(resolver: URLResolver, prefix: str, names: tuple[str, ...]) -> Iterator[Place]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            more = (pattern.namespace,) if pattern.namespace else ()
            yield from _walk(pattern, route, (*names, *more))
        elif isinstance(pattern, URLPattern):
            yield Place(":".join((*names, pattern.name or route)), route, pattern.callback)


def _is_ours(place: Place) -> bool:
    if place.name.startswith("elevate_integration") or place.route.startswith(OUR_PAGES):
        return True
    if place.route.startswith("admin/"):
        # The host's own pages may carry a box of ours; who may see them is the host's to say.
        return place.name == "admin:app_list"
    view = getattr(place.callback, "cls", getattr(place.callback, "view_class", place.callback))
    return str(getattr(view, "__module__", "")).startswith("elevate_integration.")


_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


def fill(route: str, values: dict[str, Any]) -> str:
    """Write an address with these values for its parameters. Raises KeyError for one that is not given."""
    filled = _PARAMETER.sub(lambda found: str(values[found[1] or found[2]]), route)
    return "/" + re.sub(r"\\Z|\^|\$|\[\\s\\S\]\*", "", filled)
