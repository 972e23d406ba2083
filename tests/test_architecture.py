"""The map of the code: which floor each module lives on. Imports point to the same floor or below, never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import elevate_integration

ROOT = Path(elevate_integration.__file__).parent
PACKAGE = ROOT.name

# Floors from the ground up. A folder stands for everything in it that no longer entry names.
FLOORS: dict[str, int] = {
    # 0, ground: settings, words, pure rules; what a host tells us, and what Elevate's JSON looks like.
    "": 0,
    "conf": 0,
    "lifecycle": 0,
    "signals": 0,
    "wake": 0,
    "events": 0,
    "observing": 0,
    "words": 0,
    "wishes": 0,
    "pairing": 0,
    "comparing": 0,
    "orders": 0,
    "orders.source": 0,
    "members.standing": 0,
    "elevate": 0,
    "delivery": 0,
    "management": 0,
    # 1, edges: HTTP, the database's clock, back-off, the ready-made sources.
    "clock": 1,
    "elevate.client": 1,
    "elevate.line": 1,
    "elevate.addresses": 1,
    "elevate.connections": 1,
    "elevate.guarded": 1,
    "elevate.network": 1,
    "orders.accounts": 1,
    "orders.amounts": 0,
    "orders.references": 1,
    "orders.description": 0,
    "orders.plan": 1,
    "orders.fields": 1,
    "orders.oscar": 1,
    "orders.tendenci": 1,
    "delivery.backoff": 1,
    "delivery.pace": 1,
    "prepared": 1,
    "plans": 1,
    "keys": 1,
    "stand_in": 1,
    # 2, memory.
    "models": 2,
    "online": 2,
    "fields": 2,
    "reconciled": 2,
    "bulk": 2,
    "querysets": 2,
    "retrying": 2,
    "migrations": 2,
    # 3, services: mark, write the wish, claim and settle, perform one call.
    "marks": 3,
    "reading": 3,
    "locking": 3,
    "neighbours": 3,
    "assigned": 3,
    "seats": 3,
    "cover": 3,
    "sync": 3,
    "identity": 3,
    "delivery.queue": 3,
    "delivery.settling": 3,
    "delivery.outcomes": 3,
    "delivery.announcing": 3,
    "delivery.gate": 3,
    "delivery.sender": 3,
    "delivery.clients": 3,
    "delivery.inbox": 3,
    "members": 3,
    # 4, long-running work, and what people decide.
    "delivery.sweep": 4,
    "delivery.listener": 4,
    "delivery.worker": 4,
    "delivery.dispatchers": 4,
    "reconcile": 4,
    "doctor": 4,
    "watching": 4,
    "watching.urls": 5,
    "watching.views": 5,
    "resync": 4,
    "importing": 4,
    "forgetting": 4,
    "staff": 4,
    "overview": 4,
    "digest": 4,
    # 5, doors: thin.
    "apps": 5,
    "receivers": 5,
    "checks": 5,
    "admin": 5,
    "api": 5,
    "views": 5,
    "seat_forms": 5,
    "urls": 5,
    "templatetags": 5,
    "management.commands": 5,
    # Beside the house: production code never looks here.
    "testing": 6,
}
PURE = (
    "lifecycle",
    "wishes",
    "pairing",
    "comparing",
    "words",
    "delivery.backoff",
    "delivery.pace",
    "orders.source",
    "orders.amounts",
    "orders.description",
    "members.standing",
    "elevate",
)


def module_name(path: Path) -> str:
    """Give a module's name within the package; the package itself is ""."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def floor_of(module: str) -> int | None:
    """Give a module's floor: its own entry, else that of the nearest folder above."""
    while module:
        if module in FLOORS:
            return FLOORS[module]
        module = module.rpartition(".")[0]
    return None


def imports(module: str) -> Iterator[str]:
    """Yield the full names that a module imports, also inside functions, but not for type checking only."""
    path = MODULES[module]
    parts = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    folder = parts if path.name == "__init__.py" else parts[:-1]
    for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def ours(module: str) -> set[str]:
    """Give the modules of this package that a module imports."""
    found = {name.removeprefix(f"{PACKAGE}.") for name in imports(module) if name.startswith(f"{PACKAGE}.")}
    return (found & MODULES.keys()) - {module}


@pytest.mark.parametrize("module", [m for m in MODULES if m])
def test_every_module_has_a_floor_and_looks_down(module):
    floor = floor_of(module)
    assert floor is not None, f"{module} is on no floor: add it to the map."
    above = {other for other in ours(module) if (floor_of(other) or 0) > floor}
    assert not above, f"{module} (floor {floor}) looks up to {sorted(above)}."


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module: {other for other in ours(module) if MODULES[other].name != "__init__.py"}
        for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"A circle of imports: {' -> '.join(error.args[1])}.")


def test_only_the_wire_imports_requests():
    users = {m for m in MODULES if any(n.split(".")[0] in ("requests", "urllib3") for n in imports(m))}
    users = {module for module in users if not module.startswith("testing")}
    # `addresses` asks whether pages of the store answer; it never speaks with Elevate and knows no key.
    assert users == {
        "elevate.client",
        "elevate.line",
        "elevate.connections",
        "elevate.addresses",
        "elevate.guarded",
    }


@pytest.mark.parametrize("module", [m for m in MODULES if any(m == p or m.startswith(f"{p}.") for p in PURE)])
def test_the_pure_rooms_know_no_django_models(module):
    banned = {"django.db", "django.db.models", f"{PACKAGE}.models", f"{PACKAGE}.querysets"}
    assert not banned & set(imports(module))


def test_the_wire_knows_no_django_at_all():
    wire = [module for module in MODULES if module.startswith("elevate")]
    assert wire
    assert not [m for m in wire if any(n.split(".")[0] == "django" for n in imports(m))]


def test_production_code_never_uses_the_testing_kit():
    users = {
        m for m in MODULES if not m.startswith("testing") and any(o.startswith("testing") for o in ours(m))
    }
    assert not users


def test_only_sources_name_a_host_model():
    hosts = ("oscar", "tendenci", "example_project", "tests")
    users = {m for m in MODULES if any(n.split(".")[0] in hosts for n in imports(m))}
    assert not {m for m in users if not m.startswith("orders.")}


def test_the_map_sees_an_import_that_points_up(tmp_path, monkeypatch):
    bad = tmp_path / "conf.py"
    bad.write_text("def f():\n    from elevate_integration.delivery import worker\n")
    monkeypatch.setitem(MODULES, "conf", bad)
    with pytest.raises(AssertionError, match="looks up"):
        test_every_module_has_a_floor_and_looks_down("conf")
