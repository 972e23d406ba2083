"""`docs/members.md` says what is true: templates, classes, tags, seconds, and an example that is valid Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from elevate_integration.members import standing
from elevate_integration.members.standing import Standing
from elevate_integration.orders.source import OrderSource
from elevate_integration.templatetags.elevate import register

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "members.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "elevate_integration"
TEMPLATES = PACKAGE / "templates" / "elevate_integration"
# The page on which a buyer names learners has a guide of its own.
OTHERS = {"seats.html", "seats_closed.html"}


def templates() -> dict[str, str]:
    return {p.name: p.read_text(encoding="utf-8") for p in TEMPLATES.glob("*.html") if p.name not in OTHERS}


def test_every_template_is_named_and_no_other() -> None:
    assert set(re.findall(r"`(\w+\.html)`", GUIDE)) == set(templates())


def test_every_class_is_named_and_no_other() -> None:
    text = "".join(templates().values())
    used = set(re.findall(r"\belevate-[a-z-]+[a-z]\b", re.sub(r"data-elevate-[a-z]+", "", text)))
    names = {f"elevate-{one.name}" for one in vars(standing).values() if isinstance(one, Standing)}
    # Those of a reason why something is not sold are for whoever wants them.
    named = set(re.findall(r"`(elevate-[a-z-]+[a-z])`", GUIDE))
    assert used - names == named


def test_every_standing_is_explained() -> None:
    found = {one.name: str(one.label) for one in vars(standing).values() if isinstance(one, Standing)}
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", GUIDE.split("`standing.name`")[1], re.MULTILINE))
    assert {name: rows.get(name) for name in found} == found


def test_the_script_asks_as_often_as_the_guide_says() -> None:
    script = (PACKAGE / "static" / "elevate_integration" / "watch.js").read_text(encoding="utf-8")
    waits = re.search(r"WAITS = \[([\d, ]+)\]", script)
    assert waits is not None
    *first, last = waits[1].split(", ")
    assert f"{', '.join(first)} and {last} seconds" in " ".join(GUIDE.split())
    assert "const MOST = 3;" in script


def test_every_tag_is_shown_and_no_other() -> None:
    assert set(re.findall(r"{% (\w*elevate_\w+)", GUIDE)) == set(register.tags)


def test_the_examples_are_python_and_write_methods_that_a_source_has() -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    methods = set()
    for block in blocks:
        methods |= {node.name for node in ast.walk(ast.parse(block)) if isinstance(node, ast.FunctionDef)}
    assert methods == {"product_url", "add_to_cart", "seats_of_line"}
    assert all(hasattr(OrderSource, name) for name in methods)
