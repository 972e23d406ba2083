"""The signals, from the texts below each in `signals.py`."""

from __future__ import annotations

import ast

from elevate_docs.code import tree
from elevate_docs.tables import table


def found() -> dict[str, str]:
    """Give each signal with the text that stands below it. Raises ValueError for one without a text."""
    body = tree("signals.py").body
    signals = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "Signal()":
            name = ast.unparse(node.targets[0])
            signals[name] = _text_of(name, after)
    return signals


def _text_of(name: str, node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    raise ValueError(f"the signal {name} has no text below it")


def text() -> str:
    """Write the table of signals."""
    rows = [(f"`elevate_integration.signals.{name}`", when) for name, when in found().items()]
    return table(("Signal", "Sent when"), rows)
