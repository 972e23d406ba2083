"""The system checks, from the calls that make them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from elevate_docs.code import trees, worded
from elevate_docs.tables import table

_NAME = re.compile(
    r"""((?:[A-Z]+(?:\[["'][^\]]*["']\])+)|\b(?:\w+\.)*[^\W_]+_\w*(?:\.\w+)*|\bOrderSource(?:\.watches\(\))?)"""
)
_LEVELS = {"Error": "error", "Warning": "warning", "Info": "info", "Critical": "critical"}


@dataclass(frozen=True, order=True)
class Found:
    """One place that reports a finding of this ID."""

    id: str
    level: str
    text: str
    hint: str


def found() -> list[Found]:
    """Give every finding that the package's checks can report, sorted by ID."""
    return sorted({one for _, module in trees() for one in _in_module(module)})


def _in_module(module: ast.Module) -> Iterator[Found]:
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef):
            yield from _in_function(function)


def _in_function(function: ast.FunctionDef) -> Iterator[Found]:
    known: dict[str, ast.expr] = {}
    # By lines: the nearest assignment above is the one that counts.
    for node in sorted(ast.walk(function), key=lambda node: getattr(node, "lineno", 0)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known[node.targets[0].id] = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {word.arg: word.value for word in node.keywords}
            identity = given.get("id")
            if node.func.attr in _LEVELS and isinstance(identity, ast.Constant):
                first = node.args[0] if node.args else given.get("msg")
                level = _LEVELS[node.func.attr]
                yield Found(
                    str(identity.value), level, worded(first, known), worded(given.get("hint"), known)
                )


def text() -> str:
    """Write the system checks, a table for each level."""
    parts = []
    for level in dict.fromkeys(one.level for one in found()):
        rows = [
            (f"`{one.id}`", _escaped(one.text), _escaped(one.hint)) for one in found() if one.level == level
        ]
        parts.append(f"## {level.capitalize()}s\n\n{table(('ID', 'What it says', 'The hint'), rows)}")
    return "\n".join(parts)


def _escaped(text: str) -> str:
    # What looks like a link or emphasis in a sentence about settings is neither.
    if text == "…":
        return "What is wrong, in words of its own."
    parts = text.split("`")
    parts[::2] = [_NAME.sub(r"`\1`", part) for part in parts[::2]]
    return "`".join(parts)
