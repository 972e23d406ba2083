"""What members and buyers are shown: their courses, where each stands, and the way from Elevate into the store."""

from __future__ import annotations
