"""Reads from the source of the package which events it logs, at which level and with which keys."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import elevate_integration
from elevate_integration.delivery import announcing

ROOT = Path(elevate_integration.__file__).parent
METHODS = ("debug", "info", "warning", "error", "exception", "critical", "log")
# `**about(row)` stands for these.
ABOUT = {"registration", "order_ref"}


@dataclass(frozen=True)
class Call:
    """One call of a logger. event: "" where it has none; names: of those told by a table."""

    place: str
    level: str
    event: str
    keys: frozenset[str]


def calls() -> Iterator[Call]:
    """Give every call of a logger in the package; those of a new status, which a table tells, one by one."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _is_logger(node.func):
                yield from _read(f"{path.relative_to(ROOT)}:{node.lineno}", node)


def _is_logger(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in ("logger", "log", "logging")
        and function.attr in METHODS
    )


def _read(place: str, node: ast.Call) -> Iterator[Call]:
    method = node.func.attr
    if method == "log":
        for level, name in (*announcing._EVENTS.values(), announcing._OTHER):
            yield Call(place, _LEVELS[level], name, frozenset(ABOUT | {"status"}))
        return
    level = {"exception": "error"}.get(method, method)
    extra = next((keyword.value for keyword in node.keywords if keyword.arg == "extra"), None)
    if not (isinstance(extra, ast.Call) and isinstance(extra.func, ast.Name) and extra.func.id == "event"):
        yield Call(place, level, "", frozenset())
        return
    keys = {k.arg for k in extra.keywords if k.arg} | (
        ABOUT if any(not k.arg for k in extra.keywords) else set()
    )
    name = extra.args[0]
    yield Call(place, level, name.value if isinstance(name, ast.Constant) else "", frozenset(keys))


_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
