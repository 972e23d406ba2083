"""The picture of the floors, drawn from the map that `tests/test_architecture.py` holds the imports against."""

from __future__ import annotations

import ast
from html import escape

from elevate_docs.code import PACKAGE

MAP = PACKAGE.parent / "tests" / "test_architecture.py"
NAMES = {
    6: "beside the house: for tests and the demonstration",
    5: "doors: ask, call one function below, answer",
    4: "long-running work, and what people decide",
    3: "services: mark, write the wish, claim, send, settle",
    2: "memory: tables and questions to them",
    1: "edges: HTTP, clock, ready-made sources",
    0: "ground: settings, words, pure rules",
}
WIDTH, LEFT, ROW, LINE, GAP = 860, 16, 26, 7.2, 12


def floors() -> dict[int, list[str]]:
    """Give the rooms of each floor, the highest floor first, as the map has them."""
    for node in ast.parse(MAP.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "FLOORS" and node.value:
            known: dict[str, int] = ast.literal_eval(node.value)
            return {floor: _rooms(known, floor) for floor in sorted(set(known.values()), reverse=True)}
    raise ValueError(f"{MAP} has no FLOORS")


def _rooms(known: dict[str, int], floor: int) -> list[str]:
    return [room for room, at in known.items() if at == floor and room]


def text() -> str:
    """Write the picture as it stands in a page."""
    return f"```{{raw}} html\n{svg()}\n```\n"


def svg() -> str:
    """Draw the house: a band for each floor, a box for each room."""
    bands, top = [], 8
    for floor, rooms in floors().items():
        drawn, height = _band(floor, rooms, top)
        bands.append(drawn)
        top += height + GAP
    # The colours of the page: it has a light and a dark face.
    return (
        f'<svg class="elevate-floors" role="img" aria-label="The floors of the package and the rooms on each" '
        f'viewBox="0 0 {WIDTH} {top}" width="100%" xmlns="http://www.w3.org/2000/svg" font-family="sans-serif">'
        + "".join(bands)
        + "</svg>"
    )


def _band(floor: int, rooms: list[str], top: int) -> tuple[str, int]:
    boxes, x, y = [], LEFT, top + 34
    for room in rooms:
        width = round(len(room) * LINE) + 16
        if x + width > WIDTH - LEFT:
            x, y = LEFT, y + ROW + 6
        boxes.append(_box(room, x, y, width))
        x += width + 8
    height = y + ROW + 10 - top
    frame = (
        f'<rect x="4" y="{top}" width="{WIDTH - 8}" height="{height}" rx="6" fill="none" stroke="currentColor" '
        'stroke-opacity="0.35"/>'
        f'<text x="{LEFT}" y="{top + 22}" font-size="14" font-weight="bold" fill="currentColor">'
        f"{floor}, {escape(NAMES[floor])}</text>"
    )
    return frame + "".join(boxes), height


def _box(room: str, x: int, y: int, width: int) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{ROW}" rx="4" fill="currentColor" fill-opacity="0.08"/>'
        f'<text x="{x + 8}" y="{y + 17}" font-size="12" font-family="monospace" fill="currentColor">{escape(room)}</text>'
    )
