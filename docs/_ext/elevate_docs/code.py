"""Reads texts out of the package's source, where running it would not show them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import elevate_integration

PACKAGE = Path(elevate_integration.__file__).parent


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield each module of the package with its tree, by its path."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def tree(module: str) -> ast.Module:
    """Give the tree of one module, named as `orders/source.py`."""
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def worded(node: ast.expr | None, known: dict[str, ast.expr]) -> str:
    """Write an expression that makes a text; what is known only when it runs becomes `…`.

    known: the expressions that names stand for.
    """
    if isinstance(node, ast.Name):
        return worded(known.get(node.id), {name: one for name, one in known.items() if name != node.id})
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(worded(part, known) for part in node.values)
    return "…"
