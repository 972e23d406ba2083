"""What a host writes: the classes of `orders/source.py`, with their own words."""

from __future__ import annotations

import ast
import re

from elevate_docs.code import tree


def text() -> str:
    """Write the classes that a host meets, and each method of `OrderSource` with its signature and docstring."""
    classes = [node for node in tree("orders/source.py").body if isinstance(node, ast.ClassDef)]
    return "\n".join(_class(node) for node in classes)


def _class(node: ast.ClassDef) -> str:
    parts = [f"## {node.name}", _words(ast.get_docstring(node) or "")]
    fields = [ast.unparse(one) for one in node.body if isinstance(one, ast.AnnAssign)]
    if fields:
        parts.append("```python\n" + "\n".join(_plain(line) for line in fields) + "\n```")
    parts += [_method(one) for one in node.body if isinstance(one, ast.FunctionDef)]
    return "\n\n".join(parts) + "\n"


def _words(docstring: str) -> str:
    """Write a docstring; its lines about single fields become a list."""
    return re.sub(r"^(\w+): ", r"- `\1`: ", docstring, flags=re.MULTILINE).replace("\n    ", "\n  ")


def _plain(field: str) -> str:
    # How a field keeps out of logs matters to nobody who fills it.
    return field.replace("field(default='', repr=False)", "''")


def _method(node: ast.FunctionDef) -> str:
    needed = any(ast.unparse(one) == "abstractmethod" for one in node.decorator_list)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    signature = f"def {node.name}({ast.unparse(node.args)}){returns}: ..."
    heading = f"### {node.name}" + (" (needed)" if needed else "")
    return f"{heading}\n\n```python\n{signature}\n```\n\n{ast.get_docstring(node) or ''}"
