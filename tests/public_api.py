"""What hosts may build on, written out: `python -m tests.public_api` writes `public_api.txt` anew.

The names are chosen here; their signatures, settings, options and the rest are read from the code.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.host import ROOT

FILE = Path(__file__).with_suffix(".txt")
PACKAGE = "elevate_integration"

# What a host imports, or names by its path in its settings.
NAMES: dict[str, tuple[str, ...]] = {
    "": ("__version__",),
    "orders.source": ("Learner", "Seat", "Snapshot", "Product", "Watch", "SoldOutError", "OrderSource"),
    "orders.fields": ("FieldOrderSource",),
    "orders.oscar": ("OscarSource",),
    "orders.tendenci": ("TendenciSource",),
    "conf": ("remote_user_id",),
    "marks": ("order_changed",),
    "identity": ("identity_changed", "IdentityChange"),
    "signals": ("registered", "refused", "cancelled"),
    "lifecycle": ("Status",),
    "members.courses": ("has_course", "Course"),
    "seats": ("assignment_url", "open_seats", "OpenSeat"),
    "admin": ("register",),
    "admin.box": ("ElevateOrderAdminMixin", "ElevateMemberAdminMixin"),
    "api.document": ("SETTINGS",),
    "delivery.dispatchers": ("Dispatcher",),
    "delivery.dispatchers.celery": ("beat_schedule",),
    "watching.health_check": ("Delivery",),
    "testing": ("FakeElevate", "HeldRegistration", "OrderSourceContract"),
    "testing.fixtures": ("fake_elevate",),
}
# Rows that callables of the settings and receivers of signals get.
MODELS = ("Registration", "ProductMapping")
URLCONFS = ("urls", "api.urls", "watching.urls")
# What Django asks of a class, and what the parts of the fake ask of each other.
_NOT_FOR_HOSTS = {
    "Media", "media", "change_form_template", "change_view", "setUp", "setUpClass", "databases", "read_with_user",
    "note_unread", "open_call", "product_of_slug", "receive", "receive_unreadable",
}  # fmt: skip
TAGS = ("elevate", "elevate_admin")


# What an extra brings, and its module here: without it the module cannot be imported.
_OF_EXTRAS = {"delivery.dispatchers.celery": "celery"}


def names() -> dict[str, tuple[str, ...]]:
    """Give `NAMES` as far as what is installed lets them be imported."""
    missing = {module for module, brought in _OF_EXTRAS.items() if find_spec(brought) is None}
    return {module: NAMES[module] for module in NAMES if module not in missing}


def decided() -> str:
    """Give what the file says, without what cannot be imported here."""
    missing = tuple(f"    {PACKAGE}.{module}." for module in NAMES if module not in names())
    lines = FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not (missing and line.startswith(missing)))


def surface() -> str:
    """Give the whole list as text, a name a line."""
    parts = (
        ("Names", _names()),
        ("Fields of rows", _fields()),
        ("Settings", _settings()),
        ("Commands", _commands()),
        ("Template tags", _tags()),
        ("Names of addresses", _addresses()),
        ("Permissions", _permissions()),
        ("System checks", _checks()),
        ("Faults of the fake Elevate", _faults()),
        ("Extras", _extras()),
    )
    return "\n".join(f"{title}\n" + "".join(f"    {line}\n" for line in lines) for title, lines in parts)


def _names() -> Iterator[str]:
    for module, listed in names().items():
        path = f"{PACKAGE}.{module}".rstrip(".")
        for name in listed:
            yield from _told(f"{path}.{name}", getattr(import_module(path), name), name)


def _told(path: str, thing: Any, name: str) -> Iterator[str]:
    if name == "__version__" or isinstance(thing, dict):
        yield path
    elif inspect.isclass(thing):
        yield from _class(path, thing)
    elif callable(thing):
        yield f"{path}{_signature(thing)}"
    else:
        yield f"{path}: {type(thing).__name__}"


def _class(path: str, cls: type) -> Iterator[str]:
    if issubclass(cls, str):
        yield f"{path}: {', '.join(str(value) for value in cls)}"
        return
    bases = ", ".join(base.__name__ for base in cls.__mro__[1:] if base.__module__.startswith(PACKAGE))
    yield f"{path}({bases})"
    if is_dataclass(cls):
        yield from (f"{path}.{field.name}: {field.type}" for field in fields(cls))
    if path.endswith(".FakeElevate"):
        yield f"{path} can be set: {', '.join(sorted(name for name in vars(cls()) if not name.startswith('_')))}"
    for name, member in sorted(_members(cls).items()):
        if isinstance(member, property | cached_property):
            yield f"{path}.{name}: property"
        elif callable(member) or isinstance(member, classmethod | staticmethod):
            yield f"{path}.{name}{_signature(getattr(cls, name))}"
        elif not is_dataclass(cls):
            yield f"{path}.{name} = {member!r}"


def _members(cls: type) -> dict[str, Any]:
    """Give what a class says itself, and what the classes of this package above it say; not its tests."""
    found: dict[str, Any] = {}
    for base in reversed([base for base in cls.__mro__ if base.__module__.startswith(PACKAGE)]):
        found |= {name: member for name, member in vars(base).items() if not name.startswith(("_", "test_"))}
    found |= {"__init__": vars(cls)["__init__"]} if "__init__" in vars(cls) and not is_dataclass(cls) else {}
    for name in _NOT_FOR_HOSTS:
        found.pop(name, None)
    base = import_module(f"{PACKAGE}.orders.source").OrderSource
    if issubclass(cls, base) and cls is not base:
        found = {name: member for name, member in found.items() if not hasattr(base, name)}
    return found


def _signature(function: Any) -> str:
    # pytest hides the function that a fixture is made of.
    function = getattr(function, "__wrapped__", None) or function
    # Annotations are text here, and text is shown in quotes.
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))


def _fields() -> Iterator[str]:
    models = import_module(f"{PACKAGE}.models")
    for name in MODELS:
        for field in getattr(models, name)._meta.concrete_fields:
            yield f"{name}.{field.attname}: {field.get_internal_type()}"


def _settings() -> Iterator[str]:
    for key, field in import_module(f"{PACKAGE}.conf").KEYS.items():
        default = sorted(field.default) if isinstance(field.default, frozenset) else field.default
        yield f"{key} = {default!r}"


def _commands() -> Iterator[str]:
    from django.core.management import get_commands, load_command_class
    from django.core.management.base import BaseCommand

    common = {o for a in BaseCommand().create_parser("manage.py", "x")._actions for o in a.option_strings}
    for name in sorted(name for name, app in get_commands().items() if app == PACKAGE):
        actions = load_command_class(PACKAGE, name).create_parser("manage.py", name)._actions
        told = [a.option_strings[-1] if a.option_strings else a.dest.upper() for a in actions]
        yield " ".join([name, *(one for one in told if one not in common)])


def _tags() -> Iterator[str]:
    for library in TAGS:
        module = import_module(f"{PACKAGE}.templatetags.{library}")
        for name in sorted(module.register.tags):
            parameters = [
                p for p in inspect.signature(getattr(module, name)).parameters.values() if p.name != "context"
            ]
            shown = [
                f"*{p.name}"
                if p.kind is p.VAR_POSITIONAL
                else p.name
                if p.default is p.empty
                else f"[{p.name}]"
                for p in parameters
            ]
            yield " ".join([f"{{% load {library} %}}", name, *shown])


def _addresses() -> Iterator[str]:
    for urlconf in URLCONFS:
        module = import_module(f"{PACKAGE}.{urlconf}")
        for pattern in module.urlpatterns:
            if pattern.name != "nowhere":
                yield f"{module.app_name}:{pattern.name} {pattern.pattern}"


def _permissions() -> Iterator[str]:
    from django.apps import apps
    from django.contrib.auth.management import _get_all_permissions

    models = apps.get_app_config(PACKAGE).get_models()
    yield from sorted(name for model in models for name, _ in _get_all_permissions(model._meta))


def _checks() -> Iterator[str]:
    found: set[str] = set()
    for path in (ROOT / PACKAGE).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "checks" not in text:
            continue
        constants = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        found |= {
            value
            for value in constants
            if isinstance(value, str) and re.fullmatch(r"elevate\.[EWI]\d{3}", value)
        }
    yield from sorted(found)


def _faults() -> Iterator[str]:
    yield from sorted(import_module(f"{PACKAGE}.testing.faults").FAULT_KINDS)


def _extras() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    yield from (extra for extra in sorted(project["optional-dependencies"]) if extra not in ("dev", "demo"))


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    if names() != NAMES:
        sys.exit("Not everything can be imported here: install the package with all of its extras.")
    FILE.write_text(surface(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
