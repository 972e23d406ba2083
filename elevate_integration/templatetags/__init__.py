"""Template tags, thin doors: each asks one function below."""

from __future__ import annotations
