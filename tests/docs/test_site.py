"""The site: every page has its place in the navigation, links lead to pages, and nothing is loaded from elsewhere."""

from __future__ import annotations

from elevate_docs import pages as site

from tests.docs.blocks import ROOT

DOCS = ROOT / "docs"


def test_every_page_has_one_place_in_the_navigation():
    groups = site.navigation((DOCS / "README.md").read_text(encoding="utf-8"))
    placed = [page for _, found in groups for page in found]
    there = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")}
    assert len(placed) == len(set(placed))
    assert set(placed) == there - {"README", "index"}


def test_the_front_page_shows_the_list_of_pages_with_the_navigation():
    text = site.text_of("index")
    assert text.count("```{toctree}") == len(
        site.navigation((DOCS / "README.md").read_text(encoding="utf-8"))
    )
    assert "\nfront/readme\n" in text
    assert "[tutorial.md](/tutorial.md)" in text


def test_links_between_files_become_links_between_pages():
    text = "[a](key.md#rotate) [b](../README.md) [c](https://example.org/x.md) [d](#here) [e](images/x.png)"
    assert site.relink(text, DOCS / "admin.md") == (
        "[a](/key.md#rotate) [b](/front/readme.md) [c](https://example.org/x.md) [d](#here) [e](/images/x.png)"
    )
    assert site.relink("[a](docs/key.md)", ROOT / "README.md") == "[a](/key.md)"
    assert site.relink("[a](../LICENSE)", DOCS / "admin.md") == "[a](../LICENSE)"


def test_what_a_page_loads_from_elsewhere_is_found():
    html = '<script src="https://cdn.example.org/x.js"></script><a href="https://example.org">x</a>'
    assert site.loaded_from_elsewhere(html) == ["https://cdn.example.org/x.js"]
    assert site.loaded_from_elsewhere('<img src="//example.org/x.png"><link href="x.css">') == [
        "//example.org/x.png"
    ]
