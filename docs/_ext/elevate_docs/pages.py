"""The pages that live outside `docs/`, the navigation from `docs/README.md`, and the directive for what is generated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parents[2]
# The page of the site, and the file that it shows.
SHOWN = {
    "index": "docs/README.md",
    "front/readme": "README.md",
    "front/changelog": "CHANGELOG.md",
    "front/contributing": "CONTRIBUTING.md",
}
_ROW = re.compile(r"^\| \[[^\]]+\]\(([^)]+)\)", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def navigation(readme: str) -> list[tuple[str, list[str]]]:
    """Give the headings of the list of pages, each with the pages below it, by the names that the site gives them."""
    groups = []
    for section in readme.split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        found = [_page_of(link) for link in _ROW.findall(body)]
        if found:
            groups.append((heading.strip(), found))
    return groups


def _page_of(link: str) -> str:
    shown = {file: page for page, file in SHOWN.items()}
    return shown.get(link.removeprefix("../"), link.removesuffix(".md"))


def text_of(page: str) -> str:
    """Give the text of a page whose file lives elsewhere, its links as the site needs them."""
    file = SHOWN[page]
    text = (DOCS.parent / file).read_text(encoding="utf-8")
    if page == "index":
        text += "".join(_toctree(caption, pages) for caption, pages in navigation(text))
    return relink(text, DOCS.parent / file)


def _toctree(caption: str, pages: list[str]) -> str:
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])


def relink(text: str, file: Path) -> str:
    """Turn links between files, as GitHub follows them, into links between pages of the site."""
    shown = {DOCS.parent / name: f"/{page}.md" for page, name in SHOWN.items()}

    def page(found: re.Match[str]) -> str:
        target = (file.parent / found[1]).resolve()
        if target in shown:
            return f"]({shown[target]}"
        return f"](/{target.relative_to(DOCS)}" if target.is_relative_to(DOCS) else found[0]

    return _LINK.sub(page, text)


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the text of the file in the place of the stub."""
    if name in SHOWN:
        app.env.note_dependency(DOCS.parent / SHOWN[name], docname=name)
        source[0] = text_of(name)
    else:
        source[0] = relink(source[0], DOCS / f"{name}.md")


def directive(parts: Mapping[str, Callable[[], str]]) -> Any:
    """Make the directive `elevate`: its argument names the part of the reference that is written in its place."""
    from sphinx.util.docutils import SphinxDirective

    class Elevate(SphinxDirective):
        required_arguments = 1

        def run(self) -> list[Any]:
            self.env.note_reread()
            return self.parse_text_to_nodes(parts[self.arguments[0]](), allow_section_headings=True)

    return Elevate


def refuse_what_is_elsewhere(app: Sphinx, error: Exception | None) -> None:
    """Fail when a page would load something from another site. Raises sphinx.errors.SphinxError."""
    from sphinx.errors import SphinxError

    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        found = loaded_from_elsewhere(page.read_text(encoding="utf-8"))
        if found:
            raise SphinxError(f"{page.name} loads {', '.join(found)}")


def loaded_from_elsewhere(html: str) -> list[str]:
    """Give the addresses of scripts, styles and pictures that a page takes from another site."""
    tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", html)
    loading = [tag for tag in tags if not re.search(r'rel="(?:canonical|author|next|prev)"', tag)]
    return [url for tag in loading for url in re.findall(r'(?:src|href)="((?:https?:)?//[^"]+)"', tag)]
