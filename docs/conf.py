"""The documentation as a site: `sphinx-build -W docs folder` (extra `docs`). Nothing is fetched while it is built."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

# The reference is read from the code, which needs a project around it.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
os.environ.setdefault("LOG_LEVEL", "CRITICAL")
django.setup()

import elevate_integration  # noqa: E402

project = "django-elevate-integration"
author = "The django-elevate-integration contributors"
version = release = elevate_integration.__version__
language = "en"

extensions = ["myst_parser", "elevate_docs"]
root_doc = "index"
# The front page shows it, see `elevate_docs.pages`.
exclude_patterns = ["README.md", "_ext", "_static", "_build"]
nitpicky = True
highlight_language = "text"

myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
