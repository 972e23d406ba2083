"""Runs Python blocks of the documentation: with the names that the file around a snippet has, and a host that is not there."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularSwaggerView

from elevate_integration.conf import parse
from elevate_integration.orders.oscar import OscarSource
from elevate_integration.orders.source import OrderSource

# The apps of an imagined host: nothing of theirs is real, and whatever is asked of them is there.
HOST_APPS = ("shop", "ams", "tendenci")
OURS = "elevate_integration"
CELERY_TASK = f"{OURS}.deliver"


class _HostModule(ModuleType):
    __path__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "urlpatterns":
            return []
        return lambda *args, **kwargs: None


class _Host(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.split(".")[0] in HOST_APPS:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        return _HostModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Have nothing in it."""


@contextmanager
def a_host() -> Iterator[None]:
    """Let the imagined apps be imported."""
    finder = _Host()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] in HOST_APPS]:
            del sys.modules[name]


def given() -> dict[str, Any]:
    """Give what the file around a snippet has imported or made already."""
    return {
        "os": os,
        "path": path,
        "include": include,
        "admin": admin,
        "UserAdmin": UserAdmin,
        "OrderSource": OrderSource,
        "OscarSource": OscarSource,
        "SpectacularSwaggerView": SpectacularSwaggerView,
        # Of django-health-check, which is not ours to test.
        "HealthCheckView": SimpleNamespace(as_view=lambda **options: None),
        "app": SimpleNamespace(conf=SimpleNamespace()),
        "urlpatterns": [],
        "INSTALLED_APPS": [],
        "ELEVATE": {},
        "request": HttpRequest(),
        "order": SimpleNamespace(pk=1),
    }


def run(text: str, name: str) -> dict[str, Any]:
    """Run a snippet and give the names that it made."""
    for dotted in paths_in(text):
        assert leads_somewhere(dotted), f"{name}: there is no {dotted}"
    names = given()
    before = dict(names)
    with a_host():
        exec(compile(text, name, "exec"), names)  # noqa: S102
        found = {
            key: one for key, one in names.items() if before.get(key) is not one and key != "__builtins__"
        }
        look_at(found)
    return found


def paths_in(text: str) -> list[str]:
    """Give the dotted paths into the package that a snippet writes as text."""
    constants = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    return [one for one in constants if isinstance(one, str) and re.fullmatch(rf"{OURS}(\.\w+)+", one)]


def leads_somewhere(path: str) -> bool:
    """Tell whether a path is a module, something in one, or the name of the Celery task."""
    folder, _, name = path.rpartition(".")
    with suppress(ModuleNotFoundError):
        if find_spec(path) is not None:
            return True
    with suppress(ModuleNotFoundError):
        spec = find_spec(folder)
        if spec is not None and spec.origin is not None:
            tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
            made = {getattr(node, "name", "") for node in tree.body}
            return name in made or path == CELERY_TASK
    return False


def look_at(names: Mapping[str, Any]) -> None:
    """Hold what a snippet made against the package. Raises AssertionError, or what the package raises."""
    if "ELEVATE" in names:
        parse(names["ELEVATE"])
    for pattern in names.get("urlpatterns", ()):
        assert isinstance(pattern, URLPattern | URLResolver)
    for one in names.values():
        if inspect.isclass(one):
            _overrides_only_what_is_there(one)


def _overrides_only_what_is_there(made: type) -> None:
    bases = [base for base in made.__mro__[1:] if base.__module__.split(".")[0] == OURS]
    if made.__module__.split(".")[0] == OURS or not bases:
        return
    invented = [
        name
        for name in vars(made)
        if not name.startswith("_") and not any(hasattr(base, name) for base in made.__mro__[1:])
    ]
    assert not invented, f"{made.__name__} overrides {invented}, which {bases[0].__name__} does not have"
